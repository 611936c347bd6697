// Focal loss as a program that focal-ref check --command can ask: a line of JSON in, a line out.
// focal-ref check --command "node focal.js"
const words = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const read = (x) => (typeof x === "string" ? words[x] : x);
const write = (x) => (Number.isFinite(x) ? x : Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf");

// −log p and 1 − p of a margin, each without cancellation
const nll = (z) => Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const complement = (z) => (z > 0 ? Math.exp(-z) / (1 + Math.exp(-z)) : 1 / (1 + Math.exp(z)));

function sigmoid(x, target, gamma) {
  const sign = target === 1 ? 1 : -1, z = sign * x, u = complement(z), p = complement(-z);
  const l = nll(z), modulator = gamma === 0 ? 1 : u ** gamma;
  return [modulator === 0 ? 0 : modulator * l, -sign * modulator * (gamma * (p > 0 ? p * l : 0) + u)];
}

function softmax(row, target, gamma) {
  const top = Math.max(...row), e = row.map((x) => (x === top ? 1 : Math.exp(x - top)));
  const others = e.reduce((sum, x, j) => (j === target ? sum : sum + x), 0), all = others + e[target];
  const u = others / all; // a sum, never 1 − p
  const l = row[target] === top ? Math.log1p(others / e[target]) : top - row[target] + Math.log(all);
  return (gamma === 0 ? 1 : u ** gamma) * l;
}

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const ask = JSON.parse(line), x = ask.logits.map(read), answer = { id: ask.id };
  if (ask.link === "sigmoid") {
    const found = x.map((logit, i) => sigmoid(logit, ask.targets[i], ask.gamma));
    answer.value = found.map((pair) => write(pair[0]));
    answer.grad = found.map((pair) => write(pair[1]));
  } else {
    answer.value = ask.targets.map((t, i) => write(softmax(x.slice(i * ask.classes, (i + 1) * ask.classes), t, ask.gamma)));
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
