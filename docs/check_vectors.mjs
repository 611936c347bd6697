// Checks a focal loss in JavaScript, its gradient and its Hessian's diagonal against focal_ref's test vectors:
//
//     node check_vectors.mjs sigmoid-float64.json softmax-float64.json
//
// Each case is asked for alone, and then in every batch of the file, with its mean.
// Exit status: 0, all within bounds; 1, a wrong loss; 2, no vectors.
import { readFileSync } from "node:fs";

// ---- the losses under test ----

/** Value and derivatives by the margin, of p, u = 1 - p and nll = -log p. */
function focal(p, u, nll, gamma) {
  const modulator = Math.pow(u, gamma), pull = p > 0 ? p * nll : 0;
  const hess = modulator * (p * (1 + 2 * gamma) * u + gamma * pull * (gamma * p - u));
  return [modulator > 0 ? modulator * nll : 0, -modulator * (gamma * pull + u), hess];
}

function sigmoid(x, y, gamma) {
  const sign = y === 1 ? 1 : -1, z = sign * x, e = Math.exp(-Math.abs(z));
  const small = e / (1 + e), large = 1 / (1 + e), nll = Math.log1p(e) + (z < 0 ? -z : 0);
  const [value, grad, hess] = z < 0 ? focal(small, large, nll, gamma) : focal(large, small, nll, gamma);
  return Number.isNaN(x) ? { value: NaN, grad: [NaN], hess: [NaN] } : { value, grad: [sign * grad], hess: [hess] };
}

/** x - top and what its rounding lost; infinities that tie are equal. */
function less(x, top) {
  const d = x === top ? 0 : x - top, back = x - d;
  return [d, Number.isFinite(d) && Number.isFinite(back) ? back - top + (x - (d + back)) : 0];
}

/** A plain sum of 1000 numbers loses digits: this one keeps what each step rounds away. */
function sum(numbers) {
  let total = 0, lost = 0;
  for (const x of numbers) {
    const next = total + x;
    lost += Math.abs(total) >= Math.abs(x) ? total - next + x : x - next + total;
    total = next;
  }
  return Number.isFinite(total) ? total + lost : total;
}

function softmax(row, target, gamma) {
  const nothing = row.map(() => NaN);
  if (row.some(Number.isNaN)) return { value: NaN, grad: nothing, hess: nothing };
  const top = Math.max(...row);
  const e = row.map((x) => { const [d, lost] = less(x, top); return Math.exp(d) * (1 + lost); });
  const others = sum(e.filter((_, j) => j !== target)), all = others + e[target], [depth, lost] = less(row[target], top);
  const nll = depth < 0 ? -depth - lost + Math.log(all) : Math.log1p(others / e[target]);
  const [value, slope, curvature] = focal(e[target] / all, others / all, nll, gamma);
  const q = e.map((x) => (others > 0 ? x / others : 0));
  const rest = (j) => (q[j] > 0.5 ? sum(q.filter((_, k) => k !== j && k !== target)) : 1 - q[j]); // 1 - q, without cancelling
  return {
    value,
    grad: q.map((x, j) => (j === target ? slope : -slope * x)),
    hess: q.map((x, j) => (j === target ? curvature : curvature * x * x - slope * x * rest(j))),
  };
}

/** A batch: rows of one logit or several. The mean is over what is not ignored. */
function batch(link, rows, targets, gamma, weights, ignored) {
  const left = (i) => targets[i] === ignored || weights[i] === 0;
  const results = rows.map((row, i) => {
    if (left(i)) return { value: 0, grad: row.map(() => 0), hess: row.map(() => 0) };
    const found = link === "sigmoid" ? sigmoid(row[0], targets[i], gamma) : softmax(row, targets[i], gamma);
    const times = (x) => x * weights[i];
    return { value: times(found.value), grad: found.grad.map(times), hess: found.hess.map(times) };
  });
  const count = targets.filter((target) => target !== ignored).length;
  return { results, mean: sum(results.map((result) => result.value)) / count };
}

// ---- reading ----

function number(text) {
  const parts = /^(-?)0x([01])(?:\.([0-9a-f]+))?p([+-]\d+)$/.exec(text);
  if (!parts) return { inf: Infinity, "-inf": -Infinity, nan: NaN }[text];
  const [, sign, head, tail = "", exponent] = parts, power = Number(exponent), half = Math.trunc(power / 2);
  const mantissa = Number(BigInt(`0x${head}${tail}`)) * 2 ** (-4 * tail.length);
  return (sign ? -1 : 1) * (mantissa * 2 ** half) * 2 ** (power - half); // in two steps, so that subnormal numbers are exact
}

/** Text, a list, or a tile and what differs from it, as a list of numbers. */
function numbers(value) {
  if (typeof value === "string") return [number(value)];
  if (Array.isArray(value)) return value.map(number);
  return Array.from({ length: value.length }, (_, j) => number(value.at[j] ?? value.tile[j % value.tile.length]));
}

function weightOf(given, link) {
  const weight = given.weight === null ? 1 : number(given.weight);
  if (given.alpha === null) return weight;
  const alpha = numbers(given.alpha);
  if (link === "sigmoid") return weight * (number(given.target) === 1 ? alpha[0] : 1 - alpha[0]);
  return weight * alpha[alpha.length > 1 ? given.target : 0];
}

// ---- judging ----

function spacing(size) {
  const bits = new BigUint64Array(new Float64Array([Math.min(Math.max(size, 2 ** -1022), Number.MAX_VALUE / 2)]).buffer);
  const low = new Float64Array(bits.buffer)[0];
  bits[0] += 1n;
  return new Float64Array(bits.buffer)[0] - low;
}

/** The largest error in units in the last place of the sum of the terms. */
function error(got, due, slack) {
  const exact = numbers(due.hex), terms = due.terms === undefined ? exact : numbers(due.terms);
  if (got.length !== exact.length) return Infinity;
  return Math.max(...exact.map((x, j) => {
    if (!Number.isFinite(x) || !Number.isFinite(got[j])) return Object.is(x, got[j]) ? 0 : Infinity;
    return Math.max(Math.abs(got[j] - x) - slack, 0) / spacing(Math.abs(terms[j]));
  }));
}

function right(given, link, found, where) {
  const gamma = number(given.parameters.gamma), slack = given.slack === undefined ? 0 : number(given.slack);
  const [first, second] = link === "sigmoid" ? [4 + 2 * gamma, 6 + 2.5 * gamma] : [6 + 2 * gamma, 8 + 3 * gamma];
  const bounds = { value: first, grad: first, hess: second };
  const errors = Object.keys(bounds).map((q) => [q, error([found[q]].flat(), given[q], slack), bounds[q]]);
  const bad = errors.filter(([, ulps, bound]) => !(ulps <= bound));
  if (bad.length) console.log(`${where}: ${bad.map(([q, ulps, bound]) => `${q} ${ulps} ULP, at most ${bound}`).join("; ")}`);
  return !bad.length;
}

function check(path) {
  const file = JSON.parse(readFileSync(path, "ascii")), { link, ignore_index: ignored } = file;
  if (file.format !== "focal_ref test vectors" || file.version !== 2 || file.kernel !== "focal" || file.dtype !== "float64") {
    throw new Error(`${path}: expected focal loss's vectors of float64, version 2`);
  }
  const row = (given) => numbers(link === "sigmoid" ? given.logit : given.logits);
  const target = (given) => (typeof given.target === "number" ? given.target : number(given.target));
  const asked = (cases) => batch(link, cases.map(row), cases.map(target), number(cases[0].parameters.gamma),
    cases.map((given) => (target(given) === ignored ? 1 : weightOf(given, link))), ignored);
  const hard = file.cases.filter((given) => given.soft_targets === null); // these losses are for hard targets
  let wrong = hard.filter((given) => !right(given, link, asked([given]).results[0], given.id)).length;
  for (const group of file.groups) {
    const cases = group.cases.map((i) => file.cases[i]), { results, mean } = asked(cases);
    const off = error([mean], group.mean, 0);
    if (!(off <= 16)) console.log(`${group.id}, ${group.description}: the mean is ${off} ULP off, at most 16`);
    const same = cases.filter((given, i) => !right(given, link, results[i], `${group.id}, at ${i}: ${given.id}`)).length;
    wrong += same + Number(!(off <= 16));
  }
  const soft = file.cases.length - hard.length;
  console.log(`${path}: ${hard.length} cases and ${file.groups.length} batches checked, ${wrong} wrong; ` +
    `${soft} with soft targets left out`);
  return wrong;
}

try {
  const paths = process.argv.slice(2);
  if (!paths.length) throw new Error("usage: node check_vectors.mjs sigmoid-float64.json softmax-float64.json");
  process.exitCode = paths.map(check).some((wrong) => wrong > 0) ? 1 : 0;
} catch (problem) {
  console.error(problem.message);
  process.exitCode = 2;
}
