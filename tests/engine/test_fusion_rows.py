"""A fused softmax kernel is the formulas themselves: CUDA's text, run by threads that the processor plays one after another."""

from __future__ import annotations

import ctypes
import functools
import itertools
import platform
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
from focal_ref.engine import arrays, cuda_launch, run
from focal_ref.engine.arrays import Varying
from focal_ref.engine.cuda_rows import rows_kernel, threads
from focal_ref.engine.numpy_blocks import CLASSES, ROW
from focal_ref.engine.row_symbols import EACH, EACH_CLASS, EACH_ROW, NUMBER, ONE, Cell
from focal_ref.family import Focal
from focal_ref.libraries import backends
from focal_ref.losses.plan import Plan, is_per_loss
from focal_ref.losses.programs import softmax_program
from focal_ref.mathematics.sums import row_sum
from tests.engine.kernels import COMPILERS, built
from tests.engine.test_fusion import OnDevice, ptx, uses_float64

WANTS = ("value", "grad", "hessian_diag")
RESULTS = (("value",), ("value", "grad"), WANTS, ("hvp",), ("gamma_grad",))
PLAIN, FUSED_MULTIPLY_ADD = ("-ffp-contract=off",), ("-ffp-contract=fast", "-march=native")

emulated = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler")

CUDA = """\
#include <cmath>
#include <csetjmp>
#include <cstring>
#include <ucontext.h>
#ifdef FLUSH
#include <xmmintrin.h>
#endif
using namespace std;
#define __global__
#define __device__
#define __launch_bounds__(threads)
#define __shared__ static
struct Two { unsigned x, y; } threadIdx, blockIdx, blockDim, gridDim;
static double __longlong_as_double(long long bits) { double value; memcpy(&value, &bits, 8); return value; }

enum State { READY, AT_SHUFFLE, AT_BARRIER, FINISHED };
static jmp_buf scheduler, waiting[1024];
static State state[1024];
static char stack[1024][1 << 15];
static int me;
static void wait(State at) {
    state[me] = at;
    if (!_setjmp(waiting[me])) _longjmp(scheduler, 1);
}
static void __syncthreads() { wait(AT_BARRIER); }
template <typename V> static V __shfl_xor_sync(unsigned, V value, int step) {
    static V given[2][1024];
    static bool turn[1024];
    const bool now = turn[me] = !turn[me];
    given[now][me] = value;
    wait(AT_SHUFFLE);
    return given[now][me ^ step];
}
"""
"""What a kernel needs of CUDA. A warp's threads take turns at each shuffle, and warps at each barrier."""

RUN = """
static long long rows;
static void** p;
static void thread() { focal_ref(rows, %s); wait(FINISHED); }

struct Flushing {
#ifdef FLUSH
    const unsigned before = _mm_getcsr();
    Flushing() { _mm_setcsr(before | 0x8040); }
    ~Flushing() { _mm_setcsr(before); }
#endif
};

static void go_on() {
    if (_setjmp(scheduler)) return;
    if (state[me] != READY) _longjmp(waiting[me], 1);
    static ucontext_t fresh;
    getcontext(&fresh);
    fresh.uc_stack.ss_sp = stack[me], fresh.uc_stack.ss_size = sizeof stack[me];
    makecontext(&fresh, thread, 0);
    setcontext(&fresh);
}

// A warp goes on to where its threads wait for others, each in turn; false where some wait and others don't.
static bool go_on_together(int first, int many, bool backward) {
    do {
        for (int i = 0; i < many; ++i) {
            me = first + (backward ? many - 1 - i : i);
            threadIdx = {me %% blockDim.x, me / blockDim.x};
            go_on();
        }
        for (int i = 1; i < many; ++i) if (state[first + i] != state[first]) return false;
    } while (state[first] == AT_SHUFFLE);
    return true;
}

extern "C" __attribute__((visibility("default"))) int run(int blocks, int width, int height, long long many, void** pointers) {
    const int threads = width * height, warp = threads < 32 ? threads : 32;
    const Flushing mode;
    rows = many, p = pointers, gridDim = {(unsigned)blocks, 1}, blockDim = {(unsigned)width, (unsigned)height};
    for (blockIdx = {0, 0}; blockIdx.x < gridDim.x; ++blockIdx.x) {
        memset(state, 0, sizeof state);
        for (bool backward = false; state[0] != FINISHED; backward = !backward) {
            for (int i = 0; i < threads; i += warp)
                if (!go_on_together(backward ? threads - warp - i : i, warp, backward)) return 1;
            for (int i = 1; i < threads; ++i) if (state[i] != state[0]) return 1;
        }
    }
    return 0;
}
"""


@functools.cache
def compiled(code: str, flags: tuple[str, ...], folder: Path) -> Any:
    """A kernel's text for the processor."""
    parameters = re.search(r"focal_ref\(const long long rows, (.*)\)\n", code)[1].split(", ")  # type: ignore[index]
    handed = [
        f"({p.partition('*')[0]}*)p[{i}]" if "*" in p else f"*({p.rpartition(' ')[0]}*)p[{i}]" for i, p in enumerate(parameters)
    ]
    made = built(CUDA + code + RUN % ", ".join(handed), ("-fvisibility=hidden", *flags), folder)
    return ctypes.PyDLL(str(made)).run


class Library:
    """A stand-in for CuPy, whose kernels run on the processor."""

    ndarray = np.ndarray
    broadcast_to, ascontiguousarray = staticmethod(np.broadcast_to), staticmethod(np.ascontiguousarray)

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.flags = folder, flags
        self.made: list[str] = []
        self.launches: list[tuple[tuple[int], tuple[int, int]]] = []
        self.RawKernel = self.kernel

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        return np.full(shape, 77, dtype=dtype).view(OnDevice)

    def kernel(self, code: str, name: str) -> Any:
        assert name == "focal_ref"
        self.made.append(code)
        run = compiled(code, self.flags, self.folder)

        def launched(grid: tuple[int], block: tuple[int, int], arguments: Any) -> None:
            rows, *arrays = (np.asarray(a) for a in arguments)
            assert all(a.flags.c_contiguous for a in arrays)
            pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
            assert run(*grid, *block, ctypes.c_longlong(int(rows)), pointers) == 0
            self.launches.append((grid, block))

        return launched


def planned(wants: tuple[str, ...], compute: str, **known: Any) -> partial[Any]:
    """The softmax program; hard unless `integer_targets` is False, or labels are smoothed."""
    hard = known.setdefault("integer_targets", True) and not known.get("label_smoothing")
    known = {"looked": False, "reduced": False, "carry": True, "rows": True, "formula": "hard" if hard else "expected"} | known
    return partial(softmax_program, plan=Plan(wants, compute, compute, kernel=Focal, **known))


def result_kinds(wants: tuple[str, ...], dtype: str) -> list[tuple[str, str]]:
    return [(ROW if is_per_loss(want) else CLASSES, dtype) for want in wants]


def fused(library: Library, wants: tuple[str, ...], compute: str, arguments: list[Any], **known: Any) -> Any:
    """The results by way of `launch`, of NumPy's arrays."""
    logits = arguments[0].view(OnDevice)
    kinds = (CLASSES, ROW if known.get("integer_targets", True) else CLASSES, ROW, CLASSES, ROW, ROW, CLASSES)
    outputs = result_kinds(wants, str(logits.dtype))
    return cuda_launch.run_fused(library, planned(wants, compute, **known), [logits, *arguments[1:]], kinds, outputs, compute)


def text(wants: tuple[str, ...], compute: str, logits: str, group: int = 4, classes: int = 10, **known: Any) -> str:
    """A kernel with every kind of argument."""
    targets = Cell("int64", EACH_ROW) if known.get("integer_targets", True) else Cell(logits, EACH)
    tangent = Cell(logits, EACH) if wants == ("hvp",) else None
    gamma = known.pop("gamma", 2.0)
    given = [Cell(logits, EACH), targets, gamma, Cell(logits, EACH_CLASS), Cell("bool", ONE), Cell(compute, NUMBER), tangent]
    results = [Cell(logits, EACH_ROW if is_per_loss(want) else EACH) for want in wants]
    return rows_kernel(planned(wants, compute, **known), given, results, compute, classes, group, 256)


def written(code: str) -> list[str]:
    """The lines that the formulas wrote."""
    return code[code.index("struct Walk0") :].splitlines()


@pytest.mark.parametrize(("wants", "walks"), list(zip(RESULTS[:3], (2, 3, 4), strict=True)), ids=["value", "grad", "hess"])
def test_a_row_is_walked_as_seldom_as_can_be(wants: tuple[str, ...], walks: int) -> None:
    """Once for the largest logit, once for all sums that need it, once for each sum of sums, and once to write entries.

    No walk but the first has logits from afar, and none has more than one exponential a class.
    """
    code = text(wants, "float32", "float32", gamma=2.0)
    bodies = code.split("for (long long j = threadIdx.x; j < CLASSES; j += THREADS) {")[1:]
    assert len(bodies) == walks
    inside = [body.partition("\n}")[0] for body in bodies]
    assert [body.count(" exp(") for body in inside] == [0, *[1] * (walks - 1)]
    assert [body.count("a0[row * CLASSES + j]") for body in inside] == [1] * walks


def test_every_line_is_of_the_one_type() -> None:
    """Values are `number`, `bool` or whole; numbers are cast to `number`, and only C++'s own functions are called."""
    known = {"number", "exp", "expm1", "log", "log1p", "pow", "sqrt", "fabs", "add", "meet", "for", "if"}
    for wants, gamma, hard in itertools.product(RESULTS, (2.0, 1.5, Cell("float32", EACH_ROW)), (True, False)):
        for line in written(text(wants, "float32", "float16", gamma=gamma, integer_targets=hard)):
            if line.startswith("const ") and "within" not in line and " row = " not in line:
                kinds = r"number|bool|long long|Largest|Place|Sum|Compensated|Any"
                assert re.match(rf"const ({kinds}) v\d+ = .*;$", line), line
                bare = re.sub(r"number\([-+.\de]+\)|\b\d+LL|\ba\d+\[0\]|\b[vra]\d+\b|walk\d+", "", line)
                assert not re.search(r"\d", bare.replace("log1p", "log").replace("expm1", "exp")), line
            if "extern" not in line and "struct" not in line and "blockIdx" not in line and "//" not in line:
                assert set(re.findall(r"(\w+)\(", line)) <= known, line


def test_a_thread_sees_one_class_at_a_time() -> None:
    """A program that reaches for other classes' entries, but for sums of them, is refused."""
    with pytest.raises(TypeError, match="one class at a time"):
        rows_kernel(lambda xp, x: (x[..., 0],), [Cell("float32", EACH)], [Cell("float32", EACH_ROW)], "float32", 4, 1, 32)


@pytest.mark.compiles
@pytest.mark.parametrize("hard", [True, False], ids=["hard", "soft"])
@pytest.mark.parametrize(
    ("logits", "compute"),
    [("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32"), ("float32", "float64"), ("float64", "float64")],
)
def test_cuda_s_compiler_takes_every_kernel_and_keeps_its_type(hard: bool, logits: str, compute: str) -> None:
    """NVRTC needs no device: each kernel compiles, and one that computes in float32 has no instruction of float64."""
    pytest.importorskip("cupy", reason="CuPy is not installed")
    pytest.importorskip("nvidia.cuda_nvrtc", reason="NVRTC is not installed")
    for wants, (group, gamma) in itertools.product(RESULTS, ((1, 2.0), (32, 1.5), (256, Cell(logits, EACH_ROW)))):
        code = text(wants, compute, logits, group, gamma=gamma, integer_targets=hard, carry=compute in ("float32", logits))
        found = uses_float64(ptx(code, 80))
        assert bool(found) == (compute == "float64"), found[:3]


def of_one_group(monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    monkeypatch.setattr(cuda_launch, "threads", lambda classes: group)
    monkeypatch.setattr(cuda_launch, "BLOCK", 2 * max(group, 16))
    monkeypatch.setattr(cuda_launch, "MOST_BLOCKS", 2)


def reductions(xp: Any, x: Any) -> tuple[Any, ...]:
    """All that a namespace has for rows, each a number a row."""
    place = xp.astype(xp.argmax(x, axis=-1, keepdims=True), xp.float32)[..., 0]
    some = xp.astype(xp.any(x > 2.5, axis=-1), xp.float32)
    return xp.max(x, axis=-1), place, xp.sum(xp.abs(x), axis=-1), some


@pytest.mark.compiles
@emulated
@pytest.mark.parametrize("group", [1, 4, 32, 64, 256])
def test_reductions_are_those_of_arrays(group: int, kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of several largest, NaN wherever there is one, and no class left out, however many threads share a row."""
    of_one_group(monkeypatch, group)
    x = np.random.default_rng(0).integers(-3, 4, (40, 300)).astype(np.float32)
    x[:20] = np.minimum(x[:20], 2)
    x[0], x[1], x[2, 299], x[3], x[3, 298] = -np.inf, 0, 3, -1, -0.5
    got = cuda_launch.run_fused(
        Library(kernels, *PLAIN), reductions, [x.view(OnDevice)], (CLASSES,), [(ROW, "float32")] * 4, "float32"
    )
    for a, b in zip(got, reductions(arrays.namespace_of(x), x), strict=True):
        assert np.array_equal(np.asarray(a), b)
    x[np.arange(40), np.arange(40) * 7] = np.nan
    largest = cuda_launch.run_fused(
        Library(kernels, *PLAIN), reductions, [x.view(OnDevice)], (CLASSES,), [(ROW, "float32")] * 4, "float32"
    )[0]
    assert np.isnan(largest).all()


@pytest.mark.compiles
@emulated
@pytest.mark.parametrize("group", [1, 4, 256])
def test_a_compensated_sum_is_rounded_once(group: int, kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`links.row_sum` of terms and of what was lost from them: half an ULP, and what that leaves, though terms cancel."""
    of_one_group(monkeypatch, group)
    rng = np.random.default_rng(0)
    terms = (rng.normal(size=(30, 300)) * 2.0 ** rng.integers(-12, 12, (30, 300))).astype(np.float32)
    low = (terms * rng.normal(size=terms.shape) * 2.0**-26).astype(np.float32)
    outputs = [(ROW, "float32")] * 2
    arguments = [terms.view(OnDevice), low]
    library = Library(kernels, *PLAIN)
    total, left = cuda_launch.run_fused(library, row_sum, arguments, (CLASSES, CLASSES), outputs, "float32")
    exact = np.float64(terms).sum(axis=-1) + np.float64(low).sum(axis=-1)
    assert np.array_equal(np.asarray(total), exact.astype(np.float32))
    assert np.abs(np.float64(total) + np.float64(left) - exact).max() <= 2.0**-40 * np.abs(terms).sum(axis=-1).max()


@pytest.mark.compiles
@emulated
@pytest.mark.parametrize(
    ("group", "flags", "dtypes"),
    [
        (1, PLAIN, ["float32", "float64"]),
        (4, FUSED_MULTIPLY_ADD, ["float32", "float64"]),
        (32, PLAIN, ["float32"]),
        (128, FUSED_MULTIPLY_ADD, ["float64"]),
    ],
    ids=["1", "4-fma", "32", "128-fma"],
)
def test_the_kernel_keeps_the_contract(
    group: int, flags: tuple[str, ...], dtypes: list[str], kernels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any number of threads a row, multiply-adds contracted (as CUDA does) or not: within the native bounds everywhere."""
    of_one_group(monkeypatch, group)
    measured(Library(kernels, *flags), dtypes)


@pytest.mark.compiles
@emulated
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="how to flush is known for x86 only")
def test_the_kernel_keeps_the_contract_where_subnormals_are_flushed(kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CuPy does in float32: no normal number suffers, since E and its rounding errors are kept away from subnormals."""
    of_one_group(monkeypatch, 4)
    numpy = backends.get("numpy")
    monkeypatch.setattr(backends, "get", lambda name: numpy._replace(flushes=("float32",)))
    measured(Library(kernels, *FUSED_MULTIPLY_ADD, "-DFLUSH"), ["float32"])


def measured(library: Library, dtypes: list[str]) -> None:
    def subject(link: str, gamma: float, precision: str) -> Any:
        def loss(logits: Any, targets: Any) -> Any:
            arguments = [np.ascontiguousarray(logits), np.ascontiguousarray(targets), gamma, None, None, None, None]
            return fused(library, WANTS, str(logits.dtype), arguments)

        return loss

    report = conformance.measure(["numpy"], ["softmax"], dtypes, (0.5, 5.0), ["native"], subject=subject)
    assert report.passed, str(report)


def rows(classes: int) -> tuple[Any, Any]:
    """Ordinary logits, and where it is told: ties, infinite ones, far apart ones, NaN; with targets."""
    rng = np.random.default_rng(classes)
    logits = rng.normal(0, 4, (24, classes)).astype(np.float32)
    logits[1], logits[2, :2] = 1.5, 9.0
    logits[3, 0], logits[4, 0], logits[5, -1], logits[6, 0] = np.inf, -np.inf, np.nan, 300
    logits[7], logits[8, :2], logits[9, 0] = -np.inf, np.inf, 3e38
    targets = rng.integers(0, classes, 24)
    targets[:10] = [0, 1, 1, 0, 0, 0, 1, 0, 0, 1]
    return logits, targets


def same(got: Any, due: Any, terms: float = 0.0) -> None:
    """Computed in float64 on both sides, results differ where they lie between two numbers of float32, by that, and seldom.

    Where terms cancel, the next number is that of 2^-24 of the terms: float64's own rounding is seen in nothing larger.
    """
    assert got.shape == due.shape
    assert got.dtype == due.dtype
    for special in (np.isnan, np.isposinf, np.isneginf):
        assert np.array_equal(special(got), special(due))
    finite = np.isfinite(due)
    ours, theirs = np.float64(got[finite]), np.float64(due[finite])
    scale = np.maximum(np.abs(theirs), 2.0**-24 * terms)
    apart = ulp.errors(ours, theirs, np.zeros(theirs.size), ulp.FORMATS["float32"], scale=scale)
    assert apart.max(initial=0) <= 1
    assert np.mean(apart > 0.25) < 0.01


def options(classes: int) -> dict[str, tuple[list[Any], dict[str, Any]]]:
    """γ, α, weight, divisor, and what else there is to choose."""
    rng = np.random.default_rng(0)
    per_row, per_class = rng.uniform(0, 3, 24).astype(np.float32), rng.uniform(0, 2, classes)
    weight = (np.arange(24) % 3).astype(np.int16)
    return {
        "numbers": ([2.0, 0.5, 3.0, 7.0], {}),
        "arrays": ([per_row, per_class, weight, np.asarray(3.0, dtype=np.float32)], {}),
        "ignoring": ([1.5, None, np.asarray([True]), None], {"ignore_index": -7}),
        "carried": ([per_row, None, None, None], {"carry": True}),
        "smoothed": ([2.0, per_class, None, 3.0], {"label_smoothing": 0.125}),
        "soft": ([per_row, per_class, weight, None], {"integer_targets": False}),
        "soft, carried": ([0.5, None, None, None], {"integer_targets": False, "carry": True}),
    }


@pytest.mark.compiles
@emulated
@pytest.mark.parametrize("classes", [2, 3, 10, 257, 1000])
@pytest.mark.parametrize("option", options(2))
def test_each_option_and_result_is_what_array_operations_give(classes: int, option: str, kernels: Path) -> None:
    """Whatever is asked for and however it is broadcast: infinite logits, NaN, ties, ignored and wrong targets, 0 weights."""
    wants = (*WANTS, "hvp", "gamma_grad")
    logits, targets = rows(classes)
    factors, known = options(classes)[option]
    known = {"carry": False} | known
    if known.get("integer_targets", True):
        targets[20:] = [-1, classes, -7, -7]
    else:
        targets = np.random.default_rng(0).dirichlet(np.full(classes, 0.5), 24)
        targets[20:22, 0] = [-0.5, np.nan]
    tangent = np.random.default_rng(1).normal(size=(1, classes) if option == "arrays" else logits.shape)
    arguments = [logits, targets, *factors, tangent]
    got = fused(Library(kernels, *PLAIN), wants, "float64", arguments, **known)
    kinds = (CLASSES, ROW if known.get("integer_targets", True) else CLASSES, ROW, CLASSES, ROW, ROW, CLASSES)
    due = run.run(planned(wants, "float64", **known), arguments, kinds, result_kinds(wants, "float32"))
    for want, a, b in zip(wants, got, due, strict=True):
        same(np.asarray(a), b, np.abs(tangent).max() if want == "hvp" else 0.0)


@pytest.mark.compiles
@emulated
def test_cupy_arrays_take_this_way(kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The losses as users call them: any axis, reduction and layout, more rows than blocks, and no rows at all."""
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(3, 7, 50)).astype(np.float32), rng.integers(0, 7, (3, 50))
    losses = [
        fr.SoftmaxFocalLoss(axis=1, reduction=reduction, alpha=range(1, 8), ignore_index=3)
        for reduction in ("none", "mean", "sum")
    ]
    weight = np.asarray([[1.0], [0.0], [2.0]])
    due = [loss.value_and_grad(logits, targets, weight) for loss in losses]
    library = Library(kernels, *PLAIN)
    monkeypatch.setitem(sys.modules, "cupy", library)  # type: ignore[arg-type]
    monkeypatch.setattr(arrays, "is_numpy", lambda x: False)
    monkeypatch.setattr(cuda_launch, "MOST_BLOCKS", 1)
    for loss, expected in zip(losses, due, strict=True):
        got = loss.value_and_grad(logits.view(OnDevice), targets, weight)
        for a, b in zip(got, expected, strict=True):
            same(np.asarray(a), np.asarray(b))
    group = threads(7)
    assert library.launches == [((1,), (group, 256 // group))] * 3
    nothing = losses[0].value_and_grad(logits[:0].view(OnDevice), targets[:0], 1.0)
    assert [a.shape for a in nothing] == [(0, 50), (0, 7, 50)]
    assert len(library.launches) == 3


@pytest.mark.compiles
@emulated
@pytest.mark.parametrize("compute", ["float32", "float64"])
def test_one_kernel_serves_every_number_of_rows(compute: str, kernels: Path) -> None:
    """Neither more rows nor another divisor is another kernel, and the divisor divides."""
    library = Library(kernels, *PLAIN)
    logits, targets = (a[10:] for a in rows(10))
    logits = logits.astype(compute)
    for many in (14, 1, 5):
        arguments = [logits[:many], targets[:many], 2.0, None, None]
        (got,) = fused(library, ("grad",), compute, [*arguments, Varying(many), None])
        (whole,) = fused(library, ("grad",), compute, [*arguments, None, None])
        assert np.array_equal(np.asarray(got), np.asarray(whole) / logits.dtype.type(many))
    assert len(library.made) == 2
