"""Boosting to a calibrated decision: focal loss in gradient boosting, its posterior, and a threshold by cost.

Run it with ``python boosting_to_decision.py``; it needs scikit-learn. XGBoost, LightGBM and CatBoost take the same objective.
"""

import numpy as np
from focal_ref_boosting import objective
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.model_selection import train_test_split

from focal_ref import demo

COST = 10  # a missed one is worth ten false alarms

data = demo.load("hypothyroid")
X, X_new, y, y_new = train_test_split(data.features, data.labels, stratify=data.labels, random_state=0)
print(f"{len(y)} rows, {y.sum()} of them ill")

best = {}
for gamma in (0.0, 1.0):
    loss = objective(y, gamma=gamma).for_scikit_learn()
    model = HistGradientBoostingClassifier(
        loss=loss, max_iter=20, learning_rate=0.2, max_leaf_nodes=8, early_stopping=False
    ).fit(X, y)
    p = model.predict_proba(X_new)[:, 1]  # posteriors: the correction is in them
    ill = p > 1 / (1 + COST)
    cost = COST * int((y_new & ~ill).sum()) + int((ill & (y_new == 0)).sum())
    best[gamma] = cost
    precision, brier = average_precision_score(y_new, p), brier_score_loss(y_new, p)
    print(f"gamma {gamma:g}: average precision {precision:.3f}, Brier {brier:.4f}, cost {cost}")
    print(f"    mean probability {p.mean():.3f}, ill {y_new.mean():.3f}")

print(f"cheapest: gamma {min(best, key=best.get)}; calling nobody ill costs {COST * int(np.sum(y_new))}")
