"""From one loss per position to the result of a loss function, and from its gradient back."""

import numpy as np

from sevenloops.arrays import Array, compute_dtype
from sevenloops.functional.options import one_of

__all__ = ["check_reduction", "reduce", "upstream"]

#: What is infinite or becomes NaN, also by a weight of 0, shows in the result and is not warned of.
_QUIET = np.errstate(all="ignore")

# A forward pass computes one loss per position and reduces them. It keeps the factor that each loss has in the
# result: the gradient of the losses is grad · factor.


@_QUIET
def reduce(values: Array, reduction: str, total: float, weight: Array | None = None) -> tuple[Array, float]:
    """Return the reduced losses and the factor of each; `total` is what a mean divides by.

    A weight multiplies the values, in place.
    """
    if weight is not None:
        values *= weight
    if reduction == "none":
        return values, 1.0
    result = np.asarray(values.sum(dtype=values.dtype))
    if reduction == "sum":
        return result, 1.0
    if not total:  # a mean of nothing is NaN, as in PyTorch, but carries no gradient
        return np.full_like(result, np.nan), 0.0
    return result / total, 1.0 / total


@_QUIET
def upstream(
    grad: Array, factor: float, shape: tuple[int, ...], reduction: str, weight: Array | None = None
) -> Array:
    """Return the gradient of the losses, which have the given shape, before they were weighted."""
    grad = grad.astype(compute_dtype(grad.dtype), copy=False) * factor
    each = grad.reshape(shape) if reduction == "none" else np.broadcast_to(grad, shape)
    return each if weight is None else each * weight


def check_reduction(reduction: str) -> str:
    """Return the name of the reduction if there is one."""
    return one_of("reduction", reduction, ("mean", "sum", "none"))
