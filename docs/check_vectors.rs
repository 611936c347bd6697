//! Checks a focal loss in Rust, its gradient and its Hessian's diagonal against focal_ref's test vectors:
//!
//!     rustc -O check_vectors.rs && ./check_vectors sigmoid-float64.json softmax-float64.json
//!
//! A case is a line of the file, so a JSON library is not needed.
//! Exit status: 0, all within bounds; 1, a wrong loss; 2, no vectors.
use std::{env, fs, process};

// ---- the losses under test ----

/// Value and derivatives by the margin, of p, u = 1 - p and nll = -log p.
fn focal(p: f64, u: f64, nll: f64, gamma: f64) -> [f64; 3] {
    let (modulator, pull) = (u.powf(gamma), if p > 0.0 { p * nll } else { 0.0 });
    let hess = modulator * (p * (1.0 + 2.0 * gamma) * u + gamma * pull * (gamma * p - u));
    [if modulator > 0.0 { modulator * nll } else { 0.0 }, -modulator * (gamma * pull + u), hess]
}

fn sigmoid(x: f64, y: f64, gamma: f64) -> (f64, Vec<f64>, Vec<f64>) {
    if x.is_nan() {
        return (x, vec![x], vec![x]);
    }
    let sign = if y == 1.0 { 1.0 } else { -1.0 };
    let z = sign * x;
    let e = (-z.abs()).exp();
    let (small, large) = (e / (1.0 + e), 1.0 / (1.0 + e));
    let (p, u) = if z < 0.0 { (small, large) } else { (large, small) };
    let [value, grad, hess] = focal(p, u, e.ln_1p() + if z < 0.0 { -z } else { 0.0 }, gamma);
    (value, vec![sign * grad], vec![hess])
}

/// x - top and what its rounding lost; infinities that tie are equal.
fn less(x: f64, top: f64) -> (f64, f64) {
    let d = if x == top { 0.0 } else { x - top };
    let back = x - d;
    (d, if d.is_finite() && back.is_finite() { (back - top) + (x - (d + back)) } else { 0.0 })
}

/// A plain sum of 1000 numbers loses digits: this one keeps what each step rounds away.
fn sum(numbers: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0f64, 0.0);
    for x in numbers {
        let next = total + x;
        lost += if total.abs() >= x.abs() { (total - next) + x } else { (x - next) + total };
        total = next;
    }
    total + lost
}

fn softmax(row: &[f64], target: usize, gamma: f64) -> (f64, Vec<f64>, Vec<f64>) {
    if row.iter().any(|x| x.is_nan()) {
        return (f64::NAN, vec![f64::NAN; row.len()], vec![f64::NAN; row.len()]);
    }
    let top = row.iter().cloned().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = row.iter().map(|&x| less(x, top)).map(|(d, lost)| d.exp() * (1.0 + lost)).collect();
    let without = |values: &[f64], k: usize| sum((0..values.len()).filter(|&j| j != target && j != k).map(|j| values[j]));
    let others = without(&e, target);
    let (all, (depth, lost)) = (others + e[target], less(row[target], top));
    let nll = if depth < 0.0 { -depth - lost + all.ln() } else { (others / e[target]).ln_1p() };
    let [value, slope, curvature] = focal(e[target] / all, others / all, nll, gamma);
    let q: Vec<f64> = e.iter().map(|&x| if others > 0.0 { x / others } else { 0.0 }).collect();
    let rest = |j: usize| if q[j] > 0.5 { without(&q, j) } else { 1.0 - q[j] }; // 1 - q, without cancelling
    let grad = (0..q.len()).map(|j| if j == target { slope } else { -slope * q[j] }).collect();
    let off = |j: usize| curvature * q[j] * q[j] - slope * q[j] * rest(j);
    (value, grad, (0..q.len()).map(|j| if j == target { curvature } else { off(j) }).collect())
}

// ---- reading ----

/// What stands after a key.
fn after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let name = format!("\"{key}\": ");
    line.find(&name).map(|at| &line[at + name.len()..])
}

/// A hexadecimal number, `inf`, `-inf` or `nan`.
fn number(text: &str) -> f64 {
    let (sign, digits) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let Some((head, exponent)) = digits.strip_prefix("0x").and_then(|rest| rest.split_once('p')) else {
        return sign * if digits == "inf" { f64::INFINITY } else { f64::NAN };
    };
    let (whole, tail) = head.split_once('.').unwrap_or((head, ""));
    let mantissa = u64::from_str_radix(&format!("{whole}{tail}"), 16).unwrap() as f64 * 16f64.powi(-(tail.len() as i32));
    let power: i32 = exponent.parse().unwrap();
    sign * (mantissa * 2f64.powi(power / 2)) * 2f64.powi(power - power / 2) // in two steps: 2^-1074 is no intermediate
}

/// All texts in quotes up to a closing bracket or brace.
fn quoted(text: &str, close: char) -> Vec<&str> {
    text[1..text.find(close).unwrap()].split('"').skip(1).step_by(2).collect()
}

/// A number, a list of them, or {"length": n, "tile": [...], "at": {"3": ...}}; none where it is absent or null.
fn numbers(at: Option<&str>) -> Vec<f64> {
    match at.and_then(|text| text.chars().next()) {
        Some('"') => vec![number(at.unwrap().split('"').nth(1).unwrap())],
        Some('[') => quoted(at.unwrap(), ']').into_iter().map(number).collect(),
        Some('{') => {
            let tile = numbers(after(at.unwrap(), "tile"));
            let length = after(at.unwrap(), "length").unwrap().split(',').next().unwrap().parse().unwrap();
            let mut found: Vec<f64> = (0..length).map(|j| tile[j % tile.len()]).collect();
            for pair in quoted(after(at.unwrap(), "at").unwrap(), '}').chunks(2) {
                found[pair[0].parse::<usize>().unwrap()] = number(pair[1]);
            }
            found
        }
        _ => vec![],
    }
}

// ---- judging ----

/// The largest error of a quantity, in units in the last place of the sum of its terms.
fn error(part: &str, got: &[f64], slack: f64) -> f64 {
    let exact = numbers(after(part, "hex"));
    let terms = after(part, "terms").map_or(exact.clone(), |text| numbers(Some(text)));
    if exact.len() != got.len() {
        return f64::INFINITY;
    }
    let one = |j: usize| {
        let (x, mine) = (exact[j], got[j]);
        if !x.is_finite() || !mine.is_finite() {
            return if x == mine || (x.is_nan() && mine.is_nan()) { 0.0 } else { f64::INFINITY };
        }
        let size = terms[j].abs().clamp(f64::MIN_POSITIVE, f64::MAX / 2.0);
        ((mine - x).abs() - slack).max(0.0) / (f64::from_bits(size.to_bits() + 1) - size)
    };
    (0..exact.len()).map(one).fold(0.0, f64::max)
}

/// Whether a case is right; what is wrong is printed.
fn right(line: &str, row: bool, ignored: &str) -> bool {
    let first = |key: &str, absent: f64| numbers(after(line, key)).first().copied().unwrap_or(absent);
    let (gamma, slack) = (first("gamma", f64::NAN), first("slack", 0.0));
    let logits = numbers(after(line, if row { "logits" } else { "logit" }));
    let (target, alpha) = (after(line, "target").unwrap().split(',').next().unwrap(), numbers(after(line, "alpha")));
    let label = if target.starts_with('"') { first("target", f64::NAN) } else { 0.0 };
    let mut weight = 0.0;
    if target != ignored {
        let class: usize = if row { target.parse().unwrap() } else { 0 };
        let own = alpha.get(if alpha.len() > 1 { class } else { 0 }).copied().unwrap_or(1.0);
        weight = first("weight", 1.0) * if row || label == 1.0 || alpha.is_empty() { own } else { 1.0 - own };
    }
    let (value, grad, hess) = match (weight == 0.0, row) {
        (true, _) => (0.0, vec![0.0; logits.len()], vec![0.0; logits.len()]),
        (_, true) => softmax(&logits, target.parse().unwrap(), gamma),
        _ => sigmoid(logits[0], label, gamma),
    };
    let times = |values: Vec<f64>| values.iter().map(|x| if weight == 0.0 { 0.0 } else { x * weight }).collect::<Vec<f64>>();
    let (base, curved) = if row { (6.0 + 2.0 * gamma, 8.0 + 3.0 * gamma) } else { (4.0 + 2.0 * gamma, 6.0 + 2.5 * gamma) };
    let at = |key: &str| line.find(&format!("\"{key}\": {{")).unwrap();
    let (of_value, of_grad, of_hess) = (&line[at("value")..at("grad")], &line[at("grad")..at("hess")], &line[at("hess")..]);
    let found = vec![(of_value, vec![value], base), (of_grad, grad, base), (of_hess, hess, curved)];
    let bad: Vec<String> = found
        .into_iter()
        .zip(vec!["value", "grad", "hess"])
        .map(|((part, got, bound), name)| (error(part, &times(got), slack), bound, name))
        .filter(|(ulps, bound, _)| !(ulps <= bound))
        .map(|(ulps, bound, name)| format!("{name} {ulps} ULP, at most {bound}"))
        .collect();
    if !bad.is_empty() {
        println!("{}: {}", line.split('"').nth(3).unwrap(), bad.join("; "));
    }
    bad.is_empty()
}

fn main() {
    let mut wrong = 0;
    let paths: Vec<String> = env::args().skip(1).collect();
    for path in &paths {
        let text = fs::read_to_string(path).unwrap_or_default();
        let ignored = after(&text, "ignore_index").map_or("", |rest| rest.split(',').next().unwrap());
        let cases = text.lines().filter(|line| !line.contains("-batch-"));
        let mine = |link: &'static str| move |line: &&str| line.starts_with(&format!("{{\"id\": \"{link}-float64-"));
        let all: Vec<(&str, bool)> = ["sigmoid", "softmax"]
            .iter()
            .flat_map(|&link| cases.clone().filter(mine(link)).map(move |line| (line, link == "softmax")))
            .collect();
        let hard: Vec<_> = all.iter().filter(|(line, _)| line.contains("\"soft_targets\": null")).collect();
        if hard.is_empty() {
            eprintln!("{path}: no vectors of float64");
            process::exit(2);
        }
        let failed = hard.iter().filter(|(line, row)| !right(line, *row, ignored)).count();
        println!("{path}: {} cases checked, {failed} wrong; {} with soft targets left out", hard.len(), all.len() - hard.len());
        wrong += failed;
    }
    if paths.is_empty() {
        eprintln!("usage: check_vectors sigmoid-float64.json softmax-float64.json");
        process::exit(2);
    }
    process::exit((wrong > 0) as i32);
}
