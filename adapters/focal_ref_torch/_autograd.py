"""Autograd functions of torch: analytic first and second derivatives; where they can't be used, formulas.

`Differentiable` gives value and gradient in one pass, `Scaled` the Hessian when the gradient itself is differentiated. torch
has no forward mode for such functions that also compiles, and their rules know the logits alone; so under forward mode, and
where γ, α, the weight, the normalizer or the targets want gradients, torch differentiates focal_ref's formulas themselves.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad

from focal_ref.engine.rooms import made_by
from focal_ref.engine.torch_tensors import Results, is_plain, is_watched, view
from focal_ref.losses.checks import unchecked

from ._calls import Call, Options, are_tensors, loss_of

__all__ = ["evaluate"]

EVERYTHING = ("everything",)


def evaluate(kind: str, options: Options, logits: torch.Tensor, call: Call, check: bool | None = None) -> torch.Tensor:
    """The loss, in a way that torch can differentiate; in float32 at least where autocast made the logits narrower."""
    are_tensors(logits)
    call = Call(call.targets, *(torch.as_tensor(a, device=logits.device) if isinstance(a, np.ndarray) else a for a in call[1:]))
    options = (*options, ("exempt", _exempt(check, call)))
    if logits.dtype in (torch.float16, torch.bfloat16) and torch.is_autocast_enabled(logits.device.type):
        logits = logits.to(torch.float32)
    if torch.compiler.is_compiling():
        call = _as_tensors(kind, options, logits, call)
    wanted = torch.is_grad_enabled() and any(t.requires_grad for t in call.tensors())
    if wanted or forward_ad._current_level >= 0:
        return _wanted(kind, options, ("value",), logits, call)[0]  # type: ignore[no-any-return]
    compiling = torch.compiler.is_compiling()
    if not compiling and torch._C._get_tracing_state() is not None and torch.onnx.is_in_onnx_export():
        # The older exporter stops with an IndexError at a function of autograd; a file has no gradients anyway.
        return _wanted(kind, options, ("value",), logits, call)[0]  # type: ignore[no-any-return]
    if compiling or logits.requires_grad or torch._C._functorch.is_functorch_wrapped_tensor(logits):
        result: torch.Tensor = _applied(logits, *call, kind, options)[0]
        return result
    return _run(kind, options, ("value",), logits, call)[0]


def _exempt(check: bool | None, call: Call) -> tuple[str, ...]:
    """The arguments that are never refused for their entries.

    All in a group of processes, where the others would wait for ever for one that raised between two collectives. Elsewhere
    what is learned: a device whose entries can't be seen would go on where this one stops.
    """
    if check not in (None, True, False):
        raise TypeError(f"check: got {check!r}; expected True, False, or None (True outside a group of processes)")
    if torch.compiler.is_compiling():
        return ()
    if check is None:
        group = torch.distributed
        check = not (group.is_available() and group.is_initialized() and group.get_world_size() > 1)
    if not check:
        return EVERYTHING
    named = {"gamma": call.gamma, "alpha": call.alpha, "normalizer": call.normalizer, "pos_weight": call.pos_weight}
    return tuple(name for name, a in named.items() if isinstance(a, torch.Tensor) and a.requires_grad)


def _as_tensors(kind: str, options: Options, logits: torch.Tensor, call: Call) -> Call:
    """Numbers that a compiler may own, once they are checked, as tensors: it makes a graph for each value of a number.

    γ = 2 stays a number, since a square costs a tenth of a power.
    """
    loss = loss_of(kind, options, call)
    native = loss.precision == "native" or logits.device.type == "mps"
    own, wide = logits.dtype if native else torch.float64, torch.float32 if logits.device.type == "mps" else torch.float64

    def tensor(value: Any, dtype: torch.dtype) -> Any:
        if isinstance(value, (tuple, list)):
            return torch.stack([tensor(v, dtype) for v in value])
        # A product is what the compiler leaves as it is; torch.full or torch.tensor would fix the value.
        return torch.ones((), dtype=dtype, device=logits.device) * value if isinstance(value, (int, float)) else value

    gamma = 2.0 if isinstance(call.gamma, (int, float)) and call.gamma == 2 else tensor(call.gamma, own)
    normalizer = call.normalizer
    if isinstance(normalizer, (int, float)):
        if not normalizer > 0:
            raise ValueError(f"normalizer: got {normalizer}; expected a positive number")
        normalizer = tensor(normalizer, wide)
    weight = tensor(call.weight, own)
    return Call(call.targets, gamma, tensor(call.alpha, own), weight, normalizer, tensor(call.pos_weight, own))


class Differentiable(torch.autograd.Function):
    """Value and gradient, computed together."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        logits: torch.Tensor,
        targets: Any,
        gamma: Any,
        alpha: Any,
        weight: Any,
        normalizer: Any,
        pos_weight: Any,
        kind: str,
        options: Options,
    ) -> tuple[torch.Tensor, ...]:
        """The loss, and its gradient for the way back."""
        call = Call(targets, gamma, alpha, weight, normalizer, pos_weight)
        return _run(kind, options, ("value", "grad"), logits, call)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        """Keep the logits, the gradient, and what else the second derivative needs."""
        _keep(ctx, inputs[0], output[1], inputs[1:7])
        ctx.kind, ctx.options = inputs[7:]
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, by_value: torch.Tensor | None, by_grad: None) -> tuple[Any, ...]:
        """The gradient times what came from above."""
        if by_value is None:
            return (None,) * 9
        logits, grad, call = _kept(ctx)
        if _shares_memory(by_value, grad) and _is_last_use():
            # A tensor as large as the logits costs most of what the whole loss does: the kept one becomes the result.
            factor = _spread(by_value, ctx.kind, ctx.options)
            return (grad if factor.ndim == 0 and factor.item() == 1 else grad.mul_(factor), *(None,) * 8)
        scaled = Scaled.apply(by_value, grad, logits, *call, ctx.kind, ctx.options)  # type: ignore[no-untyped-call]
        return (scaled, *(None,) * 8)


class Scaled(torch.autograd.Function):
    """Each loss's gradient times a factor; its own derivative is a Hessian-vector product."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        factor: torch.Tensor,
        grad: torch.Tensor,
        logits: torch.Tensor,
        targets: Any,
        gamma: Any,
        alpha: Any,
        weight: Any,
        normalizer: Any,
        pos_weight: Any,
        kind: str,
        options: Options,
    ) -> torch.Tensor:
        """The product; the gradient is known already."""
        return _spread(factor, kind, options) * grad

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        """Keep all of it."""
        _keep(ctx, inputs[2], inputs[1], inputs[3:9], inputs[0])
        ctx.kind, ctx.options = inputs[9:]

    @staticmethod
    def backward(ctx: Any, tangent: torch.Tensor) -> tuple[Any, ...]:
        """By the factor and by the logits; recorded as formulas where a third derivative is wanted."""
        logits, grad, call, factor = _kept(ctx)
        kind, options = ctx.kind, ctx.options
        arguments = (call.weight, call.normalizer)
        with _replicating(logits), _exempting(options):
            loss = loss_of(kind, options, call)
            if torch.is_grad_enabled():
                grad = loss.grad(logits, call.targets, *arguments)
            by_logits = loss.hvp(logits, call.targets, _spread(factor, kind, options) * tangent, *arguments)
        by_factor = _gathered(tangent * grad, factor, kind, options)
        return (by_factor, None, by_logits, *(None,) * 8)


for _function in (Differentiable, Scaled):
    # torch asks for the signature at every call, and Python works it out anew unless it is written down.
    _function.forward.__signature__ = inspect.signature(_function.forward)  # type: ignore[union-attr]


def _applied(*arguments: Any) -> Any:
    """`Differentiable.apply`; where nothing transforms it, without binding arguments, which takes as long as 10,000 logits."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return Differentiable.apply(*arguments)  # type: ignore[no-untyped-call]
    arguments = torch._functorch.utils.unwrap_dead_wrappers(arguments)
    return super(torch.autograd.Function, Differentiable).apply(*arguments)  # type: ignore[no-untyped-call]


def _keep(ctx: Any, logits: torch.Tensor, grad: torch.Tensor, call: tuple[Any, ...], *more: torch.Tensor) -> None:
    """Tensors go where autograd looks after them, everything else beside them."""
    ctx.plain = [None if isinstance(a, torch.Tensor) else a for a in call]
    ctx.places = [i for i, a in enumerate(call) if isinstance(a, torch.Tensor)]
    ctx.save_for_backward(logits, grad, *more, *(call[i] for i in ctx.places))


def _kept(ctx: Any) -> tuple[Any, ...]:
    logits, grad, *rest = ctx.saved_tensors
    more = rest[: len(rest) - len(ctx.places)]
    call = list(ctx.plain)
    for place, tensor in zip(ctx.places, rest[len(more) :], strict=True):
        call[place] = tensor
    return (logits, grad, Call(*call), *more)


def _spread(factor: torch.Tensor, kind: str, options: Options) -> torch.Tensor:
    """A factor for each loss (or one for their mean or sum), as it meets the logits."""
    named = dict(options)
    rowwise = kind == "softmax" and named["reduction"] == "none"
    return factor.unsqueeze(named["axis"]) if rowwise else factor


def _gathered(product: torch.Tensor, factor: torch.Tensor, kind: str, options: Options) -> torch.Tensor:
    """The undoing of `_spread`: summed over whatever one factor was spread."""
    named = dict(options)
    if named["reduction"] != "none":
        return product.sum().to(factor.dtype)
    return product.sum(named["axis"]) if kind == "softmax" else product


def _run(kind: str, options: Options, wants: tuple[str, ...], logits: torch.Tensor, call: Call) -> tuple[torch.Tensor, ...]:
    """focal_ref on the tensors; on views of them in NumPy, which is faster, where they are plain ones on the CPU."""
    if not _shares_memory(logits, *call.tensors()):
        return _wanted(kind, options, wants, logits, call)
    with torch.profiler.record_function(f"focal_ref.{kind}") if torch.autograd.profiler._is_profiler_enabled else nullcontext():
        room = Results()
        try:
            with made_by(room.room):
                results = _wanted(kind, options, wants, _view(logits), Call(*map(_view, call)))
        except (TypeError, ValueError) as error:
            refusal = error
        else:
            return tuple(map(room.tensor, results))
    # Again on the tensors, which are refused in torch's words: NumPy's cures are none here.
    _wanted(kind, options, wants, logits, Call(*(torch.tensor(a) if isinstance(a, np.ndarray) else a for a in call)))
    raise refusal


def _wanted(kind: str, options: Options, wants: tuple[str, ...], logits: Any, call: Call) -> tuple[Any, ...]:
    arguments = (logits, call.targets, call.weight, call.normalizer)
    with _replicating(logits), _exempting(options):
        loss = loss_of(kind, options, call)
        return (loss.value(*arguments),) if wants == ("value",) else loss.value_and_grad(*arguments)


def _replicating(logits: Any) -> AbstractContextManager[Any]:
    """Where the logits lie on a mesh, focal_ref's own small tensors (the classes, a zero) lie on all of it."""
    if torch.compiler.is_compiling() or "torch.distributed.tensor" not in sys.modules:
        return nullcontext()
    from torch.distributed import tensor as distributed
    from torch.distributed.tensor.experimental import implicit_replication

    return implicit_replication() if isinstance(logits, distributed.DTensor) else nullcontext()


def _exempting(options: Options) -> AbstractContextManager[Any]:
    """Where some entries are not to be refused, nobody refuses them."""
    exempt = options[-1][1]
    return unchecked(*(() if exempt == EVERYTHING else exempt)) if exempt else nullcontext()


def _is_last_use() -> bool:
    """Whether what a graph has kept may be written over: this is its only way back, and nobody differentiates that."""
    # Not public; torch's own compiler asks it before it reuses what it has kept. Without it nothing is reused.
    keeps = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return keeps is not None and not torch.is_grad_enabled() and not keeps()


def _shares_memory(*tensors: torch.Tensor) -> bool:
    """Whether NumPy can look at the tensors' own memory, and nobody is tracing or transforming what happens to them."""
    return not is_watched() and all(is_plain(t) and t.dtype != torch.bfloat16 for t in tensors)


def _view(a: Any) -> Any:
    return view(a) if isinstance(a, torch.Tensor) else a
