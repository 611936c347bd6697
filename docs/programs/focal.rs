// Focal loss as a program that focal-ref check --command can ask: a line of JSON in, a line out.
// rustc -O focal.rs && focal-ref check --command ./focal
use std::io::{self, BufRead, Write};

/// What stands behind a key's colon.
fn after<'a>(line: &'a str, key: &str) -> &'a str {
    let found = line.find(&format!("\"{key}\"")).expect("a key") + key.len() + 2;
    line[found..].trim_start_matches(|c| c == ':' || c == ' ')
}

fn numbers(list: &str) -> Vec<f64> {
    let inside = list.trim_start_matches('[').split(']').next().unwrap_or("");
    let each = inside.split(',').map(|word| word.trim().trim_matches('"')).filter(|word| !word.is_empty());
    each.map(|word| word.parse().expect("a number")).collect() // Rust reads "nan", "inf" and "-inf"
}

fn number(text: &str) -> f64 {
    text.split(|c| c == ',' || c == '}').next().unwrap().trim().parse().expect("a number")
}

fn written(name: &str, all: &[f64]) -> String {
    let each: Vec<String> = all.iter().map(|x| match x {
        x if x.is_nan() => "\"nan\"".into(),
        x if x.is_infinite() => format!("\"{}inf\"", if *x < 0.0 { "-" } else { "" }),
        x => format!("{x:e}"),
    }).collect();
    format!(", \"{name}\": [{}]", each.join(", "))
}

/// −log p and 1 − p of a margin, each without cancellation.
fn nll(z: f64) -> f64 { if z.is_nan() { z } else { (-z).max(0.0) + (-z.abs()).exp().ln_1p() } }
fn complement(z: f64) -> f64 { if z > 0.0 { (-z).exp() / (1.0 + (-z).exp()) } else { 1.0 / (1.0 + z.exp()) } }

fn main() {
    let stdin = io::stdin();
    for line in stdin.lock().lines() {
        let line = line.expect("text");
        let (id, gamma) = (number(after(&line, "id")), number(after(&line, "gamma")));
        let answer = if line.contains("\"sigmoid\"") {
            let targets = numbers(after(&line, "targets"));
            let (mut value, mut grad) = (vec![], vec![]);
            for (x, target) in numbers(after(&line, "logits")).iter().zip(targets) {
                let sign = if target == 1.0 { 1.0 } else { -1.0 };
                let z = sign * x;
                let (u, p, l) = (complement(z), complement(-z), nll(z));
                let modulator = u.powf(gamma);
                value.push(if modulator == 0.0 { 0.0 } else { modulator * l });
                grad.push(-sign * modulator * (gamma * if p > 0.0 { p * l } else { 0.0 } + u));
            }
            format!("{}{}", written("value", &value), written("grad", &grad))
        } else {
            ", \"error\": \"sigmoid only\"".into()
        };
        println!("{{\"id\": {id}{answer}}}");
        io::stdout().flush().expect("a reader");
    }
}
