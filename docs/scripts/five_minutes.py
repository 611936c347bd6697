"""Five minutes in PyTorch: a small network on a bundled set, from the counts of classes to a decision.

Run it with ``python five_minutes.py``; it needs torch, no network, and some seconds.
"""

import numpy as np
import torch
from focal_ref_torch import SigmoidFocalLoss

import focal_ref as fr
from focal_ref import demo

# 1. The data: who has hypothyroidism? 3,000 patients, one in twenty ill.
data = demo.load("hypothyroid")
scaled = (data.features - np.nanmean(data.features, 0)) / np.nanstd(data.features, 0)
features = torch.tensor(np.nan_to_num(scaled), dtype=torch.float32)  # a missing measurement is an average one
labels = torch.tensor(data.labels, dtype=torch.float32)
torch.manual_seed(0)
order = torch.randperm(len(labels))
train, test = order[: len(order) * 3 // 4], order[len(order) * 3 // 4 :]

# 2. Which gamma, where to start, and from which score on is a patient ill, if a missed one is worth ten false alarms?
found = fr.suggest(labels=data.labels[train.numpy()], alpha=None, cost=10)
print(found, end="\n\n")

# 3. A network whose last bias is the best constant, and the loss.
network = torch.nn.Sequential(torch.nn.Linear(features.shape[1], 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
torch.nn.init.zeros_(network[-1].weight)
torch.nn.init.constant_(network[-1].bias, found.bias)
criterion = SigmoidFocalLoss(alpha=found.alpha, gamma=found.gamma, reduction="mean")

# 4. Train.
optimizer = torch.optim.AdamW(network.parameters(), lr=0.02, weight_decay=0.02)
for epoch in range(60):
    optimizer.zero_grad()
    loss = criterion(network(features[train]).squeeze(-1), labels[train])
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        print(f"epoch {epoch:2}  loss {loss.item():.4f}")

# 5. Decide: on the score with the threshold, or on the corrected probability with 1/11. It is the same.
logits = network(features[test]).squeeze(-1).detach()
ill = torch.sigmoid(logits) > found.threshold
probability = fr.posterior_from_logits(logits, found.gamma, found.alpha, axis=None)
assert bool((ill == (probability > 1 / 11)).all())
hits = int((ill & (labels[test] == 1)).sum())
print(
    f"\ncalled ill {int(ill.sum())}, of them right {hits}, missed {int(labels[test].sum()) - hits} of {int(labels[test].sum())}"
)
print(f"mean probability {probability.mean():.3f}, ill {labels[test].mean():.3f}")
