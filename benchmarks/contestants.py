"""Who is measured: each contestant as a function of the data that gives a call without arguments, ready to be timed."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import focal_ref as fr
from focal_ref.libraries import backends

from . import rivals
from .cases import ALPHA, GAMMA, TINY, TRAINING, WIDELY, Case, Data

__all__ = ["Contestant", "absent", "of"]

Call = Callable[[], Any]
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""Names of glibc's, from malloc.h."""
PAGES = ("sigmoid 1e6", "softmax 4000 × 1000")
"""Cases whose arrays glibc may keep or hand back."""
SLOWLY = tuple(case.name for case in (*WIDELY, *TINY))
"""Cases at which who compiles for long is measured."""
ROWS = tuple(case.name for case in (*WIDELY, *TRAINING, *TINY) if case.link == "softmax" and len(case.shape) == 2)
NARROW = ("softmax 512 × 50257",)
BLOCK = 2**14
"""Elements that the floor works on at a time."""


class Contestant(NamedTuple):
    """A name, and how to make a call of the data; the call ends when the results are there."""

    name: str
    make: Callable[[Data], Call]
    needs: tuple[str, ...] = ()
    """Packages."""
    only: tuple[str, ...] = ()
    """Names of the cases it is measured at; all, where empty."""
    slow: bool = False
    """Left out of quick runs: it compiles for long."""


def of(case: Case, *, quick: bool = False) -> Iterator[Contestant]:
    """Everyone who can be measured here at a case."""
    for contestant in _SIGMOID if case.link == "sigmoid" else _SOFTMAX:
        if (
            not _missing(contestant)
            and not (quick and contestant.slow)
            and (not contestant.only or case.name in contestant.only)
        ):
            yield contestant


def absent() -> dict[str, str]:
    """Who can't be measured here, and what is missing."""
    return {c.name: missing for c in (*_SIGMOID, *_SOFTMAX) if (missing := _missing(c))}


def _missing(contestant: Contestant) -> str:
    for package in contestant.needs:
        if package == "cupy":
            (status,) = backends.survey(["cupy"])
            if status.state != "ready":
                return status.reason
        elif package == "glibc":
            if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"):
                return "glibc is not the C library"
        elif importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    return ""


# ---- NumPy and CuPy ---------------------------------------------------------------------------------------------------------


def _ours(link: str, precision: Any, gamma: Any = GAMMA) -> Callable[[Data], Call]:
    def make(data: Data) -> Call:
        loss: Any
        if link == "sigmoid":
            loss = fr.SigmoidFocalLoss(gamma=gamma, alpha=ALPHA, reduction="mean", precision=precision)
        else:
            loss = fr.SoftmaxFocalLoss(gamma=gamma, alpha=ALPHA, axis=1, reduction="mean", precision=precision)
        return lambda: loss.value_and_grad(*data)

    return make


def _gamma_array(data: Data) -> Call:
    gamma = np.full(data.logits.shape, GAMMA, dtype=np.float32)
    loss = fr.SigmoidFocalLoss(gamma=gamma, alpha=ALPHA, reduction="mean", precision="native")
    return lambda: loss.value_and_grad(*data)


def _plain(function: Callable[..., Any]) -> Callable[[Data], Call]:
    return lambda data: lambda: function(*data)


def _numba(data: Data) -> Call:
    function = rivals.numba_sigmoid()
    return lambda: function(*data)


def _copy(data: Data) -> Call:
    place = np.empty_like(data.logits)
    return lambda: np.copyto(place, data.logits)


def _floor(data: Data) -> Call:
    """In blocks that stay in the cache, without a temporary more than needed; what no implementation can do without."""
    logits, place = data.logits.reshape(-1), np.empty(data.logits.size, dtype=np.float32)
    one, two = np.empty(BLOCK, dtype=np.float32), np.empty(BLOCK, dtype=np.float32)

    def call() -> None:
        for start in range(0, logits.size, BLOCK):
            x, out = logits[start : start + BLOCK], place[start : start + BLOCK]
            a, b = one[: x.size], two[: x.size]
            np.negative(np.abs(x, out=a), out=a)
            np.exp(a, out=b)
            np.exp(a, out=a)
            np.log1p(b, out=out)

    return call


def _cupy(data: Data) -> Call:
    cupy = importlib.import_module("cupy")
    call = _ours("sigmoid" if data.targets.dtype.kind == "f" else "softmax", "native")(Data(*map(cupy.asarray, data)))
    return _synchronised(call, cupy.cuda.Device().synchronize)


def _cupy_copy(data: Data) -> Call:
    cupy = importlib.import_module("cupy")
    logits = cupy.asarray(data.logits)
    place = cupy.empty_like(logits)
    return _synchronised(lambda: cupy.copyto(place, logits), cupy.cuda.Device().synchronize)


def _cuda_formula(data: Data) -> Call:
    torch = importlib.import_module("torch")
    function = rivals.torchvision_formula if data.targets.dtype.kind == "f" else rivals.tutorial_formula
    return _synchronised(_backward(function, data, "cuda"), torch.cuda.synchronize)


def _synchronised(call: Call, wait: Call) -> Call:
    def both() -> None:
        call()
        wait()

    return both


# ---- torch ------------------------------------------------------------------------------------------------------------------


def _backward(function: Callable[..., Any], data: Data, device: str = "cpu", dtype: str = "float32") -> Call:
    torch = importlib.import_module("torch")
    x, y = (torch.from_numpy(a).to(device) for a in data)
    x = x.to(getattr(torch, dtype))
    x.requires_grad_()

    def call() -> Any:
        x.grad = None
        value = function(x, y)
        value.backward()
        return value, x.grad

    return call


def _adapter(data: Data) -> Callable[..., Any]:
    functions: Any = importlib.import_module("focal_ref_torch")
    options = {"alpha": ALPHA, "gamma": GAMMA, "reduction": "mean"}
    if data.targets.dtype.kind == "f":
        return lambda x, y: functions.sigmoid_focal_loss(x, y, **options)
    return lambda x, y: functions.softmax_focal_loss(x, y, axis=1, **options)


def _torch_ours(data: Data) -> Call:
    return _backward(_adapter(data), data)


def _torch_narrow(data: Data) -> Call:
    return _backward(_adapter(data), data, dtype="bfloat16")


def _tutorial_narrow(data: Data) -> Call:
    return _backward(rivals.tutorial_formula, data, dtype="bfloat16")


def _fresh(make: Callable[[Data], Call]) -> Callable[[Data], Call]:
    """With fresh pages for every large array, as glibc hands them out to whom it hasn't seen free one yet."""

    def made(data: Data) -> Call:
        call, c = make(data), ctypes.CDLL(None)

        def fresh() -> Any:
            c.mallopt(MMAP_THRESHOLD, 2**17)
            c.malloc_trim(0)
            try:
                return call()
            finally:
                c.mallopt(MMAP_THRESHOLD, 2**25)
                c.mallopt(TRIM_THRESHOLD, 2**26)

        return fresh

    return made


def _torch_ours_compiled(data: Data) -> Call:
    return _compiled(_adapter(data), data)


def _torch_eager(function: Callable[..., Any]) -> Callable[[Data], Call]:
    return lambda data: _backward(function, data)


def _torch_compiled(function: Callable[..., Any]) -> Callable[[Data], Call]:
    return lambda data: _compiled(lambda x, y: function(x, y), data)


def _compiled(function: Callable[..., Any], data: Data) -> Call:
    """For the data's own shape."""
    return _backward(importlib.import_module("torch").compile(function, dynamic=False), data)


# ---- JAX --------------------------------------------------------------------------------------------------------------------


def _jitted(function: Callable[..., Any], data: Data) -> Call:
    jax = importlib.import_module("jax")
    x, y = (jax.numpy.asarray(a) for a in data)
    compiled = jax.jit(jax.value_and_grad(function))
    return lambda: jax.block_until_ready(compiled(x, y))


def _jax_ours(data: Data) -> Call:
    functions: Any = importlib.import_module("focal_ref_jax")
    function = functions.sigmoid_focal_loss if data.targets.dtype.kind == "f" else functions.softmax_focal_loss
    return _jitted(lambda x, y: function(x, y, ALPHA, GAMMA, reduction="mean"), data)


def _jax_formula(function: Callable[..., Any]) -> Callable[[Data], Call]:
    return lambda data: _jitted(function, data)


def _optax(data: Data) -> Call:
    optax = importlib.import_module("optax")
    jnp = importlib.import_module("jax.numpy")
    return _jitted(lambda x, y: jnp.mean(optax.losses.sigmoid_focal_loss(x, y, alpha=ALPHA, gamma=GAMMA)), data)


_FORMULA, _FORMULA_COMPILED = _torch_eager(rivals.torchvision_formula), _torch_compiled(rivals.torchvision_formula)
_TUTORIAL = _torch_eager(rivals.tutorial_formula)
_SIGMOID = (
    Contestant("focal_ref native, NumPy", _ours("sigmoid", "native")),
    Contestant("focal_ref extended, NumPy", _ours("sigmoid", "extended")),
    Contestant("focal_ref native, NumPy, γ = 1.5", _ours("sigmoid", "native", 1.5), only=("sigmoid 1e6",)),
    Contestant("focal_ref native, NumPy, γ an array", _gamma_array, only=("sigmoid 1e6",)),
    Contestant("focal_ref_torch, eager", _torch_ours, ("torch",)),
    Contestant("focal_ref_torch, compiled", _torch_ours_compiled, ("torch",), only=SLOWLY, slow=True),
    Contestant("focal_ref_jax, jitted", _jax_ours, ("jax",), only=SLOWLY),
    Contestant("focal_ref native, CuPy", _cupy, ("cupy",)),
    Contestant("textbook, NumPy", _plain(rivals.numpy_sigmoid)),
    Contestant("fused loop, numba", _numba, ("numba",), only=SLOWLY),
    Contestant("torchvision's formula, eager", _FORMULA, ("torch",)),
    Contestant("focal_ref_torch, eager, fresh pages", _fresh(_torch_ours), ("torch", "glibc"), only=PAGES),
    Contestant(
        "torchvision's formula, eager, fresh pages",
        _fresh(_torch_eager(rivals.torchvision_formula)),
        ("torch", "glibc"),
        only=PAGES,
    ),
    Contestant(
        "torchvision's formula, compiled", _torch_compiled(rivals.torchvision_formula), ("torch",), only=SLOWLY, slow=True
    ),
    Contestant("torchvision's formula, eager, CUDA", _cuda_formula, ("torch", "cupy")),
    Contestant("textbook, JAX, jitted", _jax_formula(rivals.textbook_jax), ("jax",), only=SLOWLY),
    Contestant("optax's formula, jitted", _jax_formula(rivals.optax_formula), ("jax",), only=SLOWLY),
    Contestant("optax, jitted", _optax, ("jax", "optax"), only=SLOWLY),
    Contestant("floor: 2 exp + log1p", _floor),
    Contestant("floor: copy", _copy),
    Contestant("floor: copy, CuPy", _cupy_copy, ("cupy",)),
)
_SOFTMAX = (
    Contestant("focal_ref native, NumPy", _ours("softmax", "native")),
    Contestant("focal_ref extended, NumPy", _ours("softmax", "extended")),
    Contestant("focal_ref_torch, eager", _torch_ours, ("torch",)),
    Contestant("focal_ref_torch, compiled", _torch_ours_compiled, ("torch",), only=SLOWLY, slow=True),
    Contestant("focal_ref_jax, jitted", _jax_ours, ("jax",), only=SLOWLY),
    Contestant("focal_ref native, CuPy", _cupy, ("cupy",)),
    Contestant("textbook, NumPy", _plain(rivals.numpy_softmax), only=ROWS),
    Contestant("tutorial's class, eager", _TUTORIAL, ("torch",)),
    Contestant("focal_ref_torch, eager, fresh pages", _fresh(_torch_ours), ("torch", "glibc"), only=PAGES),
    Contestant(
        "tutorial's class, eager, fresh pages", _fresh(_torch_eager(rivals.tutorial_formula)), ("torch", "glibc"), only=PAGES
    ),
    Contestant("focal_ref_torch, eager, bfloat16", _torch_narrow, ("torch",), only=NARROW),
    Contestant("tutorial's class, eager, bfloat16", _tutorial_narrow, ("torch",), only=NARROW),
    Contestant("tutorial's class, compiled", _torch_compiled(rivals.tutorial_formula), ("torch",), only=SLOWLY, slow=True),
    Contestant("tutorial's class, eager, CUDA", _cuda_formula, ("torch", "cupy")),
    Contestant("floor: copy", _copy),
)
