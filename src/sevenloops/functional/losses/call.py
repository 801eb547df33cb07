"""How the kernels of a loss of each element become an operation: shapes, dtypes, weights and reductions."""

from functools import partial
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array, compute_dtype, float_arrays, narrow
from sevenloops.autograd import Operation, Tensor
from sevenloops.errors import ShapeError
from sevenloops.functional.losses.reduction import reduce, upstream
from sevenloops.losses import kernel

__all__ = ["no_gradient", "pointwise", "weighted_pointwise"]


def pointwise(name: str, *, kernels: str | None = None, own_target_gradient: bool = False) -> Operation:
    """Return the operation of a loss of (input, target), both of one shape, both differentiable.

    The gradient by the target is that by the input, negated, unless it has a kernel of its own.
    """
    return Operation(
        name, partial(_forward, name, kernels or name), partial(_vjp, kernels or name, own_target_gradient)
    )


def weighted_pointwise(name: str, *factors: str) -> Operation:
    """Return the operation of a loss of (input, target, weight, *factors), the first two differentiable.

    The weight multiplies the losses, the factors are for the kernels; each is broadcast to the input's shape, or
    None for 1.
    """
    return Operation(name, partial(_weighted_forward, name, factors), partial(_weighted_vjp, name))


def no_gradient(name: str, weight: Any) -> None:
    """Refuse a weight of which a gradient is required."""
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise ValueError(f"{name} is a constant without gradient; pass {name}.detach().")


def _forward(name: str, kernels: str, x: Any, target: Any, *, reduction: str, **attributes: Any) -> tuple[Array, Any]:
    x, target = float_arrays(input=x, target=target)
    _check_one_shape(name, x, target)
    wides = [_wide(x), _wide(target)]
    values = _run(kernels, "forward", *wides, like=wides[0], **attributes)
    result, factor = _reduced(values, reduction)
    return narrow(result, x.dtype), (x, target, factor)


def _vjp(
    kernels: str,
    own_target_gradient: bool,
    grad: Array,
    saved: Any,
    needs: tuple[bool, ...],
    *,
    reduction: str,
    **attributes: Any,
) -> tuple[Array | None, Array | None]:
    *kept, factor = saved
    x, target = map(_wide, kept)
    each = upstream(grad, factor, x.shape, reduction)
    dx = dt = None
    if needs[0] or not own_target_gradient:
        dx = narrow(_run(kernels, "input_grad", each, x, target, like=x, **attributes), grad.dtype)
    if needs[1]:
        if dx is not None and not own_target_gradient:
            dt = -dx
        else:
            dt = narrow(_run(kernels, "target_grad", each, x, target, like=target, **attributes), grad.dtype)
    return dx if needs[0] else None, dt


def _weighted_forward(
    name: str, factor_names: tuple[str, ...], x: Any, target: Any, weight: Any, *factors: Any, reduction: str
) -> tuple[Array, Any]:
    x, target, weight, *given = float_arrays(
        **{"input": x, "target": target, "weight": weight, **dict(zip(factor_names, factors))}
    )
    _check_one_shape(name, x, target)
    if weight is not None:
        weight = _spread("weight", _wide(weight), x.shape)
    others = [
        np.ones(1, compute_dtype(x.dtype)) if array is None else _spread(factor_name, _wide(array), x.shape)
        for factor_name, array in zip(factor_names, given)
    ]
    wides = [_wide(x), _wide(target)]
    values = _run(name, "forward", *wides, *others, like=wides[0])
    result, factor = _reduced(values, reduction, weight)
    return narrow(result, x.dtype), (x, target, weight, others, factor)


def _weighted_vjp(
    name: str, grad: Array, saved: Any, needs: tuple[bool, ...], *, reduction: str
) -> tuple[Array | None, ...]:
    *kept, weight, others, factor = saved
    x, target = map(_wide, kept)
    each = upstream(grad, factor, x.shape, reduction, weight)
    dx = dt = None
    if needs[0]:
        dx = narrow(_run(name, "input_grad", each, x, target, *others, like=x), grad.dtype)
    if needs[1]:
        dt = narrow(_run(name, "target_grad", each, x, target, *others, like=target), grad.dtype)
    return (dx, dt, None, *(None for _ in others))


def _reduced(values: Array, reduction: str, weight: Array | None = None) -> tuple[Array, float]:
    if reduction == "batchmean":  # of kl_div; an array without axes is a batch of one
        return reduce(values, "mean", float(len(values)) if values.ndim else 1.0)
    return reduce(values, reduction, float(values.size), weight)


def _wide(array: Array) -> Array:
    return array.astype(compute_dtype(array.dtype), copy=False)


def _run(kernels: str, direction: str, *arrays: Array, like: Array, **attributes: Any) -> Array:
    out = runtime.empty_like(like)
    kernel(kernels, direction)(*map(np.atleast_1d, (*arrays, out)), **attributes)
    return out


def _check_one_shape(name: str, x: Array, target: Array) -> None:
    if x.shape != target.shape:
        raise ShapeError(
            f"input and target must have the same shape, but they have {x.shape} and {target.shape}; "
            f"{name} does not broadcast, which is more often a mistake than meant."
        )


def _spread(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    """View an array as one of the input's shape that repeats its entries."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ShapeError(
            f"{name} must broadcast to the input's shape {shape}, but its shape is {array.shape}."
        ) from None
