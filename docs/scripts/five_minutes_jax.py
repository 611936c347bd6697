"""Five minutes in JAX: a small network on a bundled set, from the counts of classes to a decision.

Run it with ``python five_minutes_jax.py``; it needs jax, no network, and some seconds.
"""

import jax
import jax.numpy as jnp
import numpy as np
from focal_ref_jax import sigmoid_focal_loss

import focal_ref as fr
from focal_ref import demo

# 1. The data: who has hypothyroidism? 3,000 patients, one in twenty ill.
data = demo.load("hypothyroid")
scaled = (data.features - np.nanmean(data.features, 0)) / np.nanstd(data.features, 0)
features, labels = np.nan_to_num(scaled).astype(np.float32), data.labels.astype(np.float32)
order = np.random.default_rng(0).permutation(len(labels))
train, test = order[: len(order) * 3 // 4], order[len(order) * 3 // 4 :]

# 2. Which gamma, where to start, and from which score on is a patient ill, if a missed one is worth ten false alarms?
found = fr.suggest(labels=data.labels[train], alpha=None, cost=10)
print(f"gamma {found.gamma:g}, bias {found.bias:.4f}, threshold {found.threshold:.4f}\n")

# 3. Batches of one size, since jit compiles for each shape: the last one is filled up, and a mask says with what.
SIZE = 256
count = -(-len(train) // SIZE)
rows = np.resize(train, count * SIZE).reshape(count, SIZE)
mask = (np.arange(count * SIZE) < len(train)).astype(np.float32).reshape(count, SIZE)

# 4. A network whose last bias is the best constant, and the loss: the mean over what the mask keeps.
draw = np.random.default_rng(1)
network = {
    "w1": jnp.asarray(draw.normal(0, 0.2, (features.shape[1], 32)), dtype="float32"),
    "b1": jnp.zeros(32),
    "w2": jnp.zeros(32),
    "b2": jnp.asarray(found.bias, dtype="float32"),
}


def scores(network, x):
    return jax.nn.relu(x @ network["w1"] + network["b1"]) @ network["w2"] + network["b2"]


def objective(network, x, y, kept):
    return sigmoid_focal_loss(
        scores(network, x), y, found.alpha, found.gamma, reduction="sum", weight=kept, normalizer=kept.sum()
    )


# 5. Train: plain descent, in one jitted step. Outside jit, JAX compiles each operation by itself, for each shape.
@jax.jit
def step(network, x, y, kept):
    value, slopes = jax.value_and_grad(objective)(network, x, y, kept)
    return jax.tree.map(lambda p, g: p - 2.0 * g, network, slopes), value


for epoch in range(60):
    values = []
    for batch, kept in zip(rows, mask, strict=True):
        network, value = step(network, features[batch], labels[batch], kept)
        values.append(float(value))
    if epoch % 20 == 0:
        print(f"epoch {epoch:2}  loss {np.mean(values):.4f}")

# 6. Decide: on the score with the threshold, or on the corrected probability with 1/11. It is the same.
logits = scores(network, features[test])
ill = jax.nn.sigmoid(logits) > found.threshold
probability = fr.posterior_from_logits(logits, found.gamma, found.alpha, axis=None)
assert bool((ill == (probability > 1 / 11)).all())
hits = int((ill & (labels[test] == 1)).sum())
print(
    f"\ncalled ill {int(ill.sum())}, of them right {hits}, missed {int(labels[test].sum()) - hits} of {int(labels[test].sum())}"
)
print(f"mean probability {probability.mean():.3f}, ill {labels[test].mean():.3f}")
