"""Words of a library: how its users write what a refusal advises, so that nobody is told another library's cure."""

from __future__ import annotations

from typing import Any, NamedTuple

from .arrays import is_of

__all__ = ["Words", "library", "words"]


class Words(NamedTuple):
    """Phrases with places for a name, and for what else it takes."""

    array: str
    """Of a sequence, an array: the name."""
    carried: str
    """Of another library's array, one of this: the name."""
    floats: str
    integers: str
    one_hot: str
    """The name, and how many classes."""
    without_last: str
    """Without a last axis of size 1."""
    with_last: str
    moved: str
    """To the logits' device: the name."""


NUMPY = Words(
    "np.asarray({})",
    "np.asarray({})",
    "{}.astype(float)",
    "{}.astype(int)",
    "np.eye({1})[{0}]",
    "{}[..., 0]",
    "{}[..., None]",
    "{}.to_device(logits.device)",
)
ALL = {
    "torch": Words(
        "torch.tensor({})",
        "torch.as_tensor({})",
        "{}.float()",
        "{}.long()",
        "torch.nn.functional.one_hot({}, {})",
        "{}.squeeze(-1)",
        "{}.unsqueeze(-1)",
        "{}.to(logits.device)",
    ),
    "jax": NUMPY._replace(
        array="jnp.asarray({})",
        carried="jnp.asarray({})",
        one_hot="jax.nn.one_hot({}, {})",
        moved="jax.device_put({}, logits.device)",
    ),
    "cupy": NUMPY._replace(
        array="cp.asarray({})", carried="cp.asarray({})", one_hot="cp.eye({1})[{0}]", moved="cp.asarray({})"
    ),
    "dask.array": NUMPY._replace(array="da.asarray({})", carried="da.asarray({})", one_hot="da.eye({1})[{0}]"),
}
STANDARD = NUMPY._replace(
    array="xp.asarray({})",
    carried="xp.asarray({})",
    floats="xp.astype({}, xp.float64)",
    integers="xp.astype({}, xp.int64)",
    one_hot="xp.eye({1})[{0}, ...]",
)
"""What any library of the Array API has."""


def words(x: object) -> Words:
    """The words of those who hold such an array; NumPy's of those who hold none."""
    for name, found in ALL.items():
        if is_of(x, name):
            return found
    return STANDARD if hasattr(x, "__array_namespace__") and library(x) != "numpy" else NUMPY


def library(x: Any) -> str:
    """The package that a type comes from."""
    return type(x).__module__.partition(".")[0]
