"""Losses of classes, for arrays and Tensors: cross-entropy from logits, and from the logarithms of probabilities."""

import sys
from math import prod
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_arrays, narrow
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.losses.reduction import check_reduction, reduce, upstream
from sevenloops.functional.options import array_of, probability
from sevenloops.geometry.arguments import integer
from sevenloops.losses import kernel
from sevenloops.losses.classes import smoothed_probabilities

__all__ = ["CROSS_ENTROPY", "NLL_LOSS", "PROBABILITY_CROSS_ENTROPY", "cross_entropy", "nll_loss"]


def _class_forward(
    input: Array, labels: Array, weight: Array | None, *, ignore_index: int, reduction: str, label_smoothing: float
) -> tuple[Array, Any]:
    logits, weights = _canonical(input), _class_weights(input, weight)
    labels, counted = _labels(labels, logits, ignore_index)
    values, kept = kernel("class_cross_entropy", "forward")(logits, labels, counted, weights, label_smoothing)
    total = float(weights[labels[counted]].sum())
    result, factor = reduce(values, reduction, total)
    return _shaped(result, input, reduction), (input.shape, kept, labels, counted, weights, factor)


def _class_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, reduction: str, label_smoothing: float, **_: Any
) -> tuple[Array, None, None]:
    shape, kept, labels, counted, weights, factor = saved
    each = upstream(grad, factor, labels.shape, reduction)
    dx = kernel("class_cross_entropy", "input_grad")(each, kept, labels, counted, weights, label_smoothing)
    return narrow(dx.reshape(shape), grad.dtype), None, None


def _probability_forward(
    input: Array, target: Array, weight: Array | None, *, reduction: str, label_smoothing: float
) -> tuple[Array, Any]:
    logits, weights = _canonical(input), _class_weights(input, weight)
    t = smoothed_probabilities(_canonical(target), weights, label_smoothing)
    values, logp = kernel("probability_cross_entropy", "forward")(logits, t)
    result, factor = reduce(values, reduction, float(values.size))
    return _shaped(result, input, reduction), (input.shape, logp, t, weights, factor)


def _probability_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, reduction: str, label_smoothing: float
) -> tuple[Array | None, Array | None, None]:
    shape, logp, t, weights, factor = saved
    each = upstream(grad, factor, (t.shape[0], t.shape[2]), reduction)
    dx = dt = None
    if needs[0]:
        dx = kernel("probability_cross_entropy", "input_grad")(each, logp, t)
        dx = narrow(dx.reshape(shape), grad.dtype)
    if needs[1]:
        dt = (label_smoothing - 1) * logp * weights[:, None] * each[:, None]
        dt = narrow(dt.reshape(shape), grad.dtype)
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
    check_reduction(reduction)
    ignore_index = integer("ignore_index", ignore_index, -sys.maxsize)
    label_smoothing = probability("label_smoothing", label_smoothing)
    x, class_weights = _input_and_weight(input, weight, "cross_entropy")
    labels = np.asarray(array_of(target))
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": label_smoothing}
    if labels.dtype.kind in "iu":
        _check_labels(labels, x.shape, ignore_index)
        operation, options["ignore_index"] = CROSS_ENTROPY, ignore_index
    else:
        _check_probabilities(labels, x)
        if ignore_index >= 0:
            raise ValueError(f"ignore_index is for target classes, not for probabilities, but got {ignore_index}.")
        operation = PROBABILITY_CROSS_ENTROPY
    return apply(operation, _keep(input, x), _keep(target, labels), _keep(weight, class_weights), **options)


def _nll_forward(
    input: Array, labels: Array, weight: Array | None, *, ignore_index: int, reduction: str
) -> tuple[Array, Any]:
    logp, weights = _canonical(input), _class_weights(input, weight)
    labels, counted = _labels(labels, logp, ignore_index)
    values = kernel("negative_log_likelihood", "forward")(logp, labels, counted, weights)
    result, factor = reduce(values, reduction, float(weights[labels[counted]].sum()))
    return _shaped(result, input, reduction), (input.shape, logp.shape, labels, counted, weights, factor)


def _nll_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, reduction: str, **_: Any
) -> tuple[Array, None, None]:
    shape, canonical, labels, counted, weights, factor = saved
    each = upstream(grad, factor, labels.shape, reduction)
    dx = kernel("negative_log_likelihood", "input_grad")(each, canonical, labels, counted, weights)
    return narrow(dx.reshape(shape), grad.dtype), None, None


#: Attributes: ignore_index, reduction.
NLL_LOSS = Operation("nll_loss", _nll_forward, _nll_vjp)


def nll_loss(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: Tensor | ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """Return -input at the target class, where the input holds logarithms of probabilities.

    Behind `log_softmax` it is `cross_entropy`, which takes one step instead of two.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C), (N, C, d1, …) or (C,)
        Logarithms of probabilities, one per class; float16, float32 or float64.
    target : ndarray or Tensor
        Classes: integers of shape (N,), (N, d1, …) or (), from 0 to C - 1.
    weight : ndarray or Tensor, (C,), optional
        A factor per class, of the input's dtype.
    ignore_index : int, default -100
        Positions with this target class count nothing, not even in the mean.
    reduction : {"mean", "sum", "none"}
        The mean divides by the sum of the weights of the target classes; that of no position is NaN.

    Returns
    -------
    ndarray or Tensor
        Without axes, or for "none" of the shape of the target.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    TypeError
        If the target does not hold integers, or the weight is of another dtype than the input.
    ValueError
        If a class is out of range, there is no such reduction, or a gradient is required of the weight.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> float(sl.nll_loss(np.log([[0.5, 0.25, 0.25]]), [0]).round(4))
    0.6931
    """
    check_reduction(reduction)
    ignore_index = integer("ignore_index", ignore_index, -sys.maxsize)
    x, class_weights = _input_and_weight(input, weight, "nll_loss")
    labels = np.asarray(array_of(target))
    if labels.dtype.kind not in "iu":
        raise TypeError(f"target must hold classes as integers, but its dtype is {labels.dtype}.")
    _check_labels(labels, x.shape, ignore_index)
    return apply(
        NLL_LOSS,
        _keep(input, x),
        _keep(target, labels),
        _keep(weight, class_weights),
        ignore_index=ignore_index,
        reduction=reduction,
    )


# --- what both share ----------------------------------------------------------------------------------------------


def _input_and_weight(input: Any, weight: Any, name: str) -> tuple[Array, Array | None]:
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise ValueError(f"The class weights of {name} have no gradient; pass weight.detach().")
    x, weights = float_arrays(input=array_of(input), weight=array_of(weight))
    _check_logits(x, weights)
    return x, weights


def _labels(labels: Array, logits: Array, ignore_index: int) -> tuple[Array, Array]:
    """Return the labels as (N, D), any class where they are ignored, and where they count."""
    labels = labels.reshape(logits.shape[0], logits.shape[2])
    counted = labels != ignore_index
    return np.where(counted, labels, 0), counted


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
    return narrow(result, input.dtype)


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


def _keep(value: Any, array: Any) -> Any:
    """Return a Tensor as it is, and anything else as the array that it was converted to."""
    return value if isinstance(value, Tensor) else array
