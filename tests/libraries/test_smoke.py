"""One call of each framework, for the loop that runs NumPy and array-api-strict only: values, gradients and types, both links.

Everything else is held on every backend by the full run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref.libraries import backends

FRAMEWORKS = [name for name in ("torch", "jax", "jax-x64", "dask") if name in backends.installed()]
ROW = np.asarray([[0.5, -2.0, 30.0], [-0.25, 0.0, 1.0]], dtype=np.float32)
CALLS: dict[str, tuple[Any, Any]] = {
    "sigmoid": (fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25, reduction="mean"), np.asarray([[1, 0, 1], [0, 1, 0]])),
    "softmax": (fr.SoftmaxFocalLoss(gamma=2.0, reduction="sum", ignore_index=-1), np.asarray([1, 2])),
}


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("link", CALLS)
def test_a_framework_s_arrays_give_numpy_s_results(name: str, link: str) -> None:
    """Value and gradient in float32 are NumPy's to an ULP, or to 16 where the library has no float64; arrays stay its own."""
    backend, (loss, targets) = backends.get(name), CALLS[link]
    with backend.context():
        logits = backend.asarray(ROW, "float32")
        got = loss.value_and_grad(logits, backend.asarray(targets, "int32"))
        for ours, due in zip(got, loss.value_and_grad(ROW, targets), strict=True):
            assert type(ours) is type(logits)
            assert str(ours.dtype).removeprefix("torch.") == "float32"
            ulps = 1 if "float64" in backend.dtypes else 16
            np.testing.assert_array_max_ulp(np.float32(backend.to_numpy(ours)), np.float32(due), maxulp=ulps)
