"""From one loss per position to the result of a loss function, and from its gradient back."""

import numpy as np

from sevenloops.arrays import Array, compute_dtype
from sevenloops.functional.options import one_of

__all__ = ["check_reduction", "narrow", "reduce", "upstream"]

# A forward pass computes one loss per position and reduces them. It keeps the factor that each loss has in the
# result: the gradient of the losses is grad · factor.


def reduce(values: Array, reduction: str, total: float) -> tuple[Array, float]:
    """Return the reduced losses and the factor of each; `total` is what a mean divides by."""
    if reduction == "none":
        return values, 1.0
    result = np.asarray(values.sum(dtype=values.dtype))
    if reduction == "sum":
        return result, 1.0
    if not total:  # a mean of nothing is NaN, as in PyTorch, but carries no gradient
        return np.full_like(result, np.nan), 0.0
    return result / total, 1.0 / total


def upstream(grad: Array, factor: float, shape: tuple[int, ...], reduction: str) -> Array:
    """Return the gradient of the losses, which have the given shape."""
    grad = grad.astype(compute_dtype(grad.dtype), copy=False) * factor
    return grad.reshape(shape) if reduction == "none" else np.broadcast_to(grad, shape)


def narrow(array: Array, like: Array) -> Array:
    """Return the array in the dtype of a call; what is too large for float16 is infinite there."""
    with np.errstate(over="ignore"):
        return array.astype(like.dtype, copy=False)


def check_reduction(reduction: str) -> str:
    """Return the name of the reduction if there is one."""
    return one_of("reduction", reduction, ("mean", "sum", "none"))
