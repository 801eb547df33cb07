"""Loss functions, for arrays and Tensors."""

import sys
from math import prod
from typing import Any

import numpy as np

from sevenloops import losses
from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_arrays
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import integer

__all__ = ["CROSS_ENTROPY", "MSE_LOSS", "PROBABILITY_CROSS_ENTROPY", "cross_entropy", "mse_loss"]

# An operation's forward function computes one loss per position, (N, D) for cross-entropy, and reduces them. It keeps
# the factor that each loss has in the result: the upstream gradient of the losses is grad · factor.


def _reduce(values: Array, reduction: str, total: float) -> tuple[Array, float]:
    """Return the reduced losses and the factor of each; `total` is what a mean divides by."""
    if reduction == "none":
        return values, 1.0
    result = values.sum(dtype=values.dtype)
    if reduction == "sum":
        return result, 1.0
    if not total:  # a mean of nothing is NaN, as in PyTorch, but carries no gradient
        return np.full_like(result, np.nan), 0.0
    return result / total, 1.0 / total


def _upstream(grad: Array, factor: float, shape: tuple[int, ...], reduction: str) -> Array:
    """Return the gradient of the losses, which have the given shape."""
    grad = grad.astype(compute_dtype(grad.dtype), copy=False) * factor
    return grad.reshape(shape) if reduction == "none" else np.broadcast_to(grad, shape)


# --- cross-entropy ------------------------------------------------------------------------------------------------


def _class_forward(
    input: Array, labels: Array, weight: Array | None, *, ignore_index: int, reduction: str, label_smoothing: float
) -> tuple[Array, Any]:
    logits, weights = _canonical(input), _class_weights(input, weight)
    n, _, d = logits.shape
    labels = labels.reshape(n, d)
    counted = labels != ignore_index
    labels = np.where(counted, labels, 0)
    values, logp = losses.class_cross_entropy(logits, labels, counted, weights, label_smoothing)
    total = float(weights[labels[counted]].sum())
    result, factor = _reduce(values, reduction, total)
    return _shaped(result, input, reduction), (input.shape, logp, labels, counted, weights, factor)


def _class_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, reduction: str, label_smoothing: float, **_: Any
) -> tuple[Array, None, None]:
    shape, logp, labels, counted, weights, factor = saved
    upstream = _upstream(grad, factor, labels.shape, reduction)
    dx = losses.class_cross_entropy_grad(upstream, logp, labels, counted, weights, label_smoothing)
    return dx.reshape(shape).astype(grad.dtype, copy=False), None, None


def _probability_forward(
    input: Array, target: Array, weight: Array | None, *, reduction: str, label_smoothing: float
) -> tuple[Array, Any]:
    logits, weights = _canonical(input), _class_weights(input, weight)
    t = losses.smoothed_probabilities(_canonical(target), weights, label_smoothing)
    values, logp = losses.probability_cross_entropy(logits, t)
    result, factor = _reduce(values, reduction, float(values.size))
    return _shaped(result, input, reduction), (input.shape, logp, t, weights, factor)


def _probability_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, reduction: str, label_smoothing: float
) -> tuple[Array | None, Array | None, None]:
    shape, logp, t, weights, factor = saved
    upstream = _upstream(grad, factor, (t.shape[0], t.shape[2]), reduction)
    dx = dt = None
    if needs[0]:
        dx = losses.probability_cross_entropy_grad(upstream, logp, t)
        dx = dx.reshape(shape).astype(grad.dtype, copy=False)
    if needs[1]:
        dt = (label_smoothing - 1) * logp * weights[:, None] * upstream[:, None]
        dt = dt.reshape(shape).astype(grad.dtype, copy=False)
    return dx, dt, None


#: Attributes: ignore_index, reduction, label_smoothing.
CROSS_ENTROPY = Operation("cross_entropy", _class_forward, _class_vjp)
#: Attributes: reduction, label_smoothing.
PROBABILITY_CROSS_ENTROPY = Operation("cross_entropy", _probability_forward, _probability_vjp)


def cross_entropy(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: Tensor | ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return -log softmax(input) at the target class, or its mean over a target distribution.

    At one position with logits z, class weights w and target class y, and without label smoothing:

        loss = w[y] · (log Σ_c exp(z[c]) - z[y])

    Parameters
    ----------
    input : ndarray or Tensor, (N, C), (N, C, d1, …) or (C,)
        Logits, one per class; float16, float32 or float64.
    target : ndarray or Tensor
        Classes: integers of shape (N,), (N, d1, …) or (), from 0 to C - 1. Or probabilities: the shape and dtype of
        the input.
    weight : ndarray or Tensor, (C,), optional
        A factor per class, of the input's dtype.
    ignore_index : int, default -100
        Positions with this target class count nothing, not even in the mean. Not for probabilities.
    reduction : {"mean", "sum", "none"}
        With classes, the mean divides by the sum of the weights of the target classes; with probabilities, by the
        number of positions. The mean of no position is NaN.
    label_smoothing : float, default 0.0
        From 0 to 1: the share of the target that is spread evenly over all classes.

    Returns
    -------
    ndarray or Tensor
        Without axes, or for "none" of the shape of the target classes.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    TypeError
        If the target is neither integers nor of the input's dtype, or the weight is of another dtype.
    ValueError
        If a class is out of range, a parameter is, or a gradient is required of the weight.

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", arXiv 1512.00567 (label
    smoothing).

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> logits = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    >>> float(sl.cross_entropy(logits, [0, 2]).round(4))
    0.2395
    >>> sl.cross_entropy(logits, [0, 1], reduction="none").round(4)
    array([0.2395, 2.2395])
    """
    _check_reduction(reduction)
    ignore_index = integer("ignore_index", ignore_index, -sys.maxsize)
    if isinstance(label_smoothing, bool) or not isinstance(label_smoothing, (int, float, np.number)):
        raise TypeError(f"label_smoothing must be a number, but got {label_smoothing!r}.")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, but got {label_smoothing}.")
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise ValueError("The class weights of cross_entropy have no gradient; pass weight.detach().")
    x, class_weights = float_arrays(input=_array(input), weight=_array(weight))
    labels = np.asarray(_array(target))
    _check_logits(x, class_weights)
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": float(label_smoothing)}
    if labels.dtype.kind in "iu":
        _check_labels(labels, x.shape, ignore_index)
        operation, options["ignore_index"] = CROSS_ENTROPY, ignore_index
    else:
        _check_probabilities(labels, x)
        if ignore_index >= 0:
            raise ValueError(f"ignore_index is for target classes, not for probabilities, but got {ignore_index}.")
        operation = PROBABILITY_CROSS_ENTROPY
    return apply(operation, _keep(input, x), _keep(target, labels), _keep(weight, class_weights), **options)


def _canonical(array: Array) -> Array:
    """View logits or probabilities as (N, C, D), in the dtype that they are computed in."""
    array = array.astype(compute_dtype(array.dtype), copy=False)
    if array.ndim == 1:
        return array[None, :, None]
    return array.reshape(*array.shape[:2], prod(array.shape[2:]))


def _label_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the target classes, and of the losses, for logits of the given shape."""
    return () if len(shape) == 1 else (shape[0], *shape[2:])


def _shaped(result: Array, input: Array, reduction: str) -> Array:
    """Return the reduced losses in the shape and dtype of the call."""
    if reduction == "none":
        result = result.reshape(_label_shape(input.shape))
    return result.astype(input.dtype, copy=False)


def _class_weights(input: Array, weight: Array | None) -> Array:
    """Return the class weights, (C,), in the dtype that they are computed in."""
    dtype = compute_dtype(input.dtype)
    if weight is None:
        return np.ones(input.shape[min(1, input.ndim - 1)], dtype)
    return weight.astype(dtype, copy=False)


def _check_logits(x: Array, weight: Array | None) -> None:
    if x.ndim < 1 or x.shape[min(1, x.ndim - 1)] < 1:
        raise ShapeError(
            f"input must be (N, C), (N, C, d1, …) or (C,) with C at least 1, but its shape is {x.shape}."
        )
    classes = x.shape[min(1, x.ndim - 1)]
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(
            f"weight must have one entry per class, shape ({classes},), but its shape is {weight.shape}."
        )


def _check_labels(labels: Array, shape: tuple[int, ...], ignore_index: int) -> None:
    expected = _label_shape(shape)
    if labels.shape != expected:
        raise ShapeError(
            f"Target classes must have the input's shape without its class axis, {expected}, "
            f"but their shape is {labels.shape} and the input's {shape}."
        )
    classes = shape[min(1, len(shape) - 1)]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = ((labels < 0) | (labels >= classes)) & (labels != ignore_index)
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"Target classes must be from 0 to {classes - 1} (or ignore_index {ignore_index}), "
                f"but target{list(where) if where else ''} is {labels[where]}."
            )


def _check_probabilities(target: Array, x: Array) -> None:
    if target.dtype.kind != "f":
        raise TypeError(
            f"target must hold classes as integers or probabilities as {x.dtype}, but its dtype is {target.dtype}."
        )
    if target.shape != x.shape:
        raise ShapeError(
            f"target of dtype {target.dtype} is taken as probabilities and must have the input's shape {x.shape}, "
            f"but its shape is {target.shape}; convert classes with target.astype(numpy.int64)."
        )
    float_arrays(input=x, target=target)


# --- mean squared error -------------------------------------------------------------------------------------------


def _mse_forward(input: Any, target: Any, *, reduction: str) -> tuple[Array, Any]:
    x, target = float_arrays(input=input, target=target)
    if x.shape != target.shape:
        raise ShapeError(
            f"input and target must have the same shape, but they have {x.shape} and {target.shape}; "
            f"mse_loss does not broadcast, which is more often a mistake than meant."
        )
    dtype = x.dtype
    x, target = (array.astype(compute_dtype(dtype), copy=False) for array in (x, target))
    result, factor = _reduce(losses.squared_error(x, target), reduction, float(x.size))
    return result.astype(dtype, copy=False), (x, target, factor)


def _mse_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, reduction: str
) -> tuple[Array | None, Array | None]:
    x, target, factor = saved
    dx = losses.squared_error_grad(_upstream(grad, factor, x.shape, reduction), x, target)
    dx = dx.astype(grad.dtype, copy=False)
    return dx if needs[0] else None, -dx if needs[1] else None


#: Attribute: reduction.
MSE_LOSS = Operation("mse_loss", _mse_forward, _mse_vjp)


def mse_loss(input: Tensor | ArrayLike, target: Tensor | ArrayLike, reduction: str = "mean") -> Any:
    """Return (input - target)², or its mean or sum.

    Parameters
    ----------
    input, target : ndarray or Tensor
        One shape, any; one dtype: float16, float32 or float64.
    reduction : {"mean", "sum", "none"}
        The mean divides by the number of elements; that of no element is NaN.

    Returns
    -------
    ndarray or Tensor
        Without axes, or for "none" of the input's shape.

    Raises
    ------
    ShapeError
        If the shapes differ: nothing is broadcast, unlike in PyTorch, which warns.
    TypeError
        If the dtypes differ or are not floats.
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import sevenloops as sl
    >>> float(sl.mse_loss([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    _check_reduction(reduction)
    return apply(MSE_LOSS, input, target, reduction=reduction)


def _check_reduction(reduction: Any) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction must be "mean", "sum" or "none", but got {reduction!r}.')


def _array(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _keep(value: Any, array: Any) -> Any:
    """Return a Tensor as it is, and anything else as the array that it was converted to."""
    return value if isinstance(value, Tensor) else array
