"""A fused kernel is the formulas themselves, in one type: written down as C++, compiled, and measured as any other backend."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import conformance
from focal_ref.conformance import ulp
from focal_ref.engine import cuda_launch, run, symbols
from focal_ref.engine.arrays import Varying
from focal_ref.engine.numpy_blocks import ROW
from focal_ref.engine.symbols import REAL, traced
from focal_ref.family import Focal
from focal_ref.losses.plan import Plan
from focal_ref.losses.programs import sigmoid_program
from tests.engine.kernels import COMPILERS, built

WANTS = ("value", "grad", "hessian_diag")
FORMULAS = ("hard", "mix", "quality", "expected")
C_TYPES = {"float32": "float", "float64": "double", "int32": "int", "bool": "bool"}


def source(types: list[Any], compute: str, **plan: Any) -> symbols.Source:
    """The sigmoid program's kernel for logits, targets, γ, α, weight, divisor, tangent."""
    known = {"wants": WANTS, "formulas": compute, "formula": "hard", "looked": True, "reduced": False, "carry": True} | plan
    return traced(partial(sigmoid_program, plan=Plan(compute=compute, kernel=Focal, **known)), types, compute)


def variants() -> Any:
    """Every formula and result, with numbers and with arrays, in both types."""
    gammas, results = (0.5, 2.0, 1.5, "float32"), (("value",), ("value", "grad"), WANTS, ("hvp",), ("gamma_grad",))
    for formula, wants, gamma, compute in itertools.product(FORMULAS, results, gammas, REAL):
        types = ["float32", "int32", gamma, 0.25, "float32", 3.0, "float32" if wants == ("hvp",) else None]
        yield source(types, compute, formula=formula, wants=wants, looked=False)


def test_every_line_is_of_the_one_type() -> None:
    """Declarations are `number` or `bool`, numbers are cast to `number`, and only C++'s own functions are called."""
    for made in variants():
        *lines, last = made.body.splitlines()
        assert last.startswith("r")
        for line in lines:
            assert re.match(r"(const (number|bool) v\d+ = .*|r\d+ = v\d+);$", line), line
            bare = re.sub(r"number\([-+.\de]+\)|\b[vra]\d+\b", "", line)
            assert not re.search(r"\d", bare.replace("log1p", "log").replace("expm1", "exp")), line
            assert set(re.findall(r"(\w+)\(", line)) <= {"number", "exp", "expm1", "log", "log1p", "pow", "sqrt", "fabs"}, line


def test_nothing_is_written_twice() -> None:
    """Each expression stands once: the hard value and gradient have one exponential, one log1p and no power."""
    for made in variants():
        expressions = [line.partition(" = ")[2] for line in made.body.splitlines() if line.startswith("const")]
        assert len(set(expressions)) == len(expressions)
    body = source(["float32", "int32", 2.0, 0.25, None, 1.0, None], "float32", wants=("value", "grad")).body
    assert [body.count(f"{name}(") for name in ("exp", "log1p", "pow", "expm1")] == [1, 1, 0, 0]


def test_a_choice_by_value_is_refused() -> None:
    """Values are not known while the kernel is written; Python's `if` on one would bake a branch in."""
    with pytest.raises(TypeError, match="where"):
        traced(lambda xp, x: (x if x > 0 else -x,), ["float32"], "float32")


def ptx(code: str, architecture: int) -> str:
    """What CUDA's compiler makes of a text, without a device."""
    import cupy
    import nvidia
    from cupy._core import core
    from cupy_backends.cuda.libs import nvrtc

    include = [Path(cupy.__file__).parent / "_core" / "include", Path(next(iter(nvidia.__path__))) / "cuda_runtime" / "include"]
    options = (*core.assemble_cupy_compiler_options(()), f"-arch=compute_{architecture}", "-ftz=true", "--std=c++17")
    made = nvrtc.createProgram(code, "focal_ref.cu", (), ())
    nvrtc.compileProgram(made, (*options, *(f"-I{folder}" for folder in include)))
    found = nvrtc.getPTX(made)
    return found.decode() if isinstance(found, bytes) else found


def uses_float64(instructions: str) -> list[str]:
    """The instructions that compute in float64."""
    return [line for line in instructions.splitlines() if ".f64" in line and "mov" not in line]


def cuda_text(kernel: Any, dtypes: list[str]) -> str:
    """What CuPy hands to the compiler for an elementwise kernel."""
    import cupy
    from cupy._core import _kernel
    from cupy._core._carray import Indexer

    array, indexer = 1, 2  # kinds of arguments
    given = [_kernel._ArgInfo(array, cupy.ndarray, np.dtype(t).type, 1, True, True) for t in dtypes]
    given.append(_kernel._ArgInfo(indexer, Indexer, None, 1, True, True))
    headers = "".join(f"#include <cupy/{name}>\n" for name in ("complex.cuh", "carray.cuh", "atomics.cuh", "math_constants.h"))
    return headers + _kernel._get_elementwise_kernel_code(
        tuple(given), _kernel._TypeMap(()), kernel.params, kernel.operation, kernel.name, kernel.preamble
    )


@pytest.mark.compiles
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize(("logits", "compute"), [("float16", "float32"), ("float32", "float32"), ("float32", "float64")])
def test_cuda_s_compiler_takes_every_kernel_and_keeps_its_type(formula: str, logits: str, compute: str) -> None:
    """NVRTC needs no device: each kernel compiles, and one that computes in float32 has no instruction of float64."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    pytest.importorskip("nvidia.cuda_nvrtc", reason="NVRTC is not installed")
    for wants, gamma in itertools.product((("value",), WANTS, ("hvp",), ("gamma_grad",)), (2.0, logits)):
        given = [logits, "int64", gamma, 0.25, "bool", 3.0, logits if wants == ("hvp",) else None]
        made = source(given, compute, formula=formula, wants=wants, looked=False, carry=compute == logits)
        kernel = cupy.ElementwiseKernel(**cuda_launch.declared(made, (logits,) * len(wants), compute))
        found = uses_float64(ptx(cuda_text(kernel, [*made.arguments, *(logits,) * len(wants)]), 80))
        assert bool(found) == (compute == "float64"), found[:3]


@functools.cache
def compiled(made: symbols.Source, compute: str, folder: Path, *flags: str) -> Any:
    """The kernel as a function of NumPy arrays."""
    inputs = [f"const {C_TYPES[t]}* p{i}" for i, t in enumerate(made.arguments)]
    outputs = [f"{REAL[compute]}* q{i}" for i in range(len(made.results))]
    loads = [f"const auto a{i} = p{i}[i];" for i in range(len(inputs))] + [
        f"auto& r{i} = q{i}[i];" for i in range(len(outputs))
    ]
    code = (
        f"#include <cmath>\nusing namespace std;\ntypedef {REAL[compute]} number;\n"
        "static const number number_inf = INFINITY, number_nan = NAN;\n"
        f'extern "C" void kernel(long n, {", ".join(inputs + outputs)})\n'
        f"{{ for (long i = 0; i < n; ++i) {{ {' '.join(loads)}\n{made.body}\n}} }}\n"
    )
    function = ctypes.CDLL(str(built(code, flags, folder))).kernel

    def run(*arrays: Any) -> list[Any]:
        results = [np.empty(arrays[0].shape, compute) for _ in made.results]
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*arrays, *results)]
        function(ctypes.c_long(arrays[0].size), *pointers)
        return results

    return run


@pytest.mark.compiles
@pytest.mark.skipif(not COMPILERS, reason="no C++ compiler")
@pytest.mark.parametrize("flags", [("-ffp-contract=off",), ("-ffp-contract=fast", "-march=native")], ids=["plain", "fma"])
def test_the_kernel_keeps_the_contract(flags: tuple[str, ...], kernels: Path) -> None:
    """Compiled for the processor, with multiply-adds contracted (as CUDA does) and not: within the native bounds everywhere."""

    def subject(link: str, gamma: float, precision: str) -> Any:
        def loss(logits: Any, targets: Any) -> Any:
            compute = str(logits.dtype)
            made = source([compute, "int32", gamma, None, None, None, None], compute)
            return compiled(made, compute, kernels, *flags)(np.ascontiguousarray(logits), np.ascontiguousarray(targets))

        return loss

    report = conformance.measure(["numpy"], ["sigmoid"], ["float32", "float64"], precisions=["native"], subject=subject)
    assert report.passed, str(report)


class OnDevice(np.ndarray):
    """A stand-in for CuPy's arrays, with a device to work on."""

    device: Any = contextlib.nullcontext()


class Library:
    """A stand-in for CuPy, whose elementwise kernels are compiled for the processor."""

    ndarray = np.ndarray

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[symbols.Source] = []
        self.ElementwiseKernel = self.kernel

    def kernel(self, **made: Any) -> Any:
        assert made.keys() == {"in_params", "out_params", "operation", "name", "preamble", "return_tuple"}
        assert "typedef float number;" in made["preamble"]
        given, results = ([p.split() for p in made[name].split(", ")] for name in ("in_params", "out_params"))
        source = symbols.Source(tuple(p[0] for p in given), tuple(p[1] for p in results), made["operation"])
        self.made.append(source)

        def launch(*arrays: Any) -> Any:
            spread = [np.ascontiguousarray(a) for a in np.broadcast_arrays(*arrays)]
            return tuple(compiled(source, "float32", self.folder)(*spread))

        return launch


@pytest.mark.compiles
@pytest.mark.skipif(not COMPILERS, reason="no C++ compiler")
def test_cupy_arrays_take_this_way(kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `execution` hands to `cupy.ElementwiseKernel` gives the losses; one kernel serves any number that divides them."""
    x = np.linspace(-20, 20, 41, dtype=np.float32)
    y, weight = (np.arange(41) % 2).astype(np.int32), np.asarray([3.0], dtype=np.float32)
    exact = fr.SigmoidFocalLoss(gamma=1.5, alpha=0.25).value_and_grad(x, y, weight)
    library = Library(kernels)
    monkeypatch.setitem(sys.modules, "cupy", library)  # type: ignore[arg-type]
    plan = Plan(("value", "grad"), "float32", "float32", "hard", looked=True, reduced=False, kernel=Focal, carry=True)
    for divisor in (2.0, 4.0):
        arguments = [x.view(OnDevice), y, 1.5, 0.25, weight, Varying(divisor), None]
        got = run.run(partial(sigmoid_program, plan=plan), arguments, [ROW] * 7, [(ROW, np.float32)] * 2, "float32")
        for a, b in zip(got, exact, strict=True):
            assert ulp.errors(a, b / divisor, np.zeros(41), ulp.FORMATS["float32"]).max() < 8
    assert len(library.made) == 1
