"""Losses of probabilities, element by element, for arrays and Tensors."""

from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Tensor, apply
from sevenloops.functional.losses.call import no_gradient, pointwise, weighted_pointwise
from sevenloops.functional.losses.reduction import check_reduction
from sevenloops.functional.options import array_of, one_of
from sevenloops.geometry.arguments import flag

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"]

# Attribute of each: reduction. Inputs of the first two: input, target, weight; and pos_weight.
BINARY_CROSS_ENTROPY = weighted_pointwise("binary_cross_entropy")
BINARY_CROSS_ENTROPY_WITH_LOGITS = weighted_pointwise("binary_cross_entropy_with_logits", "pos_weight")
KL_DIV = pointwise("kl_div", own_target_gradient=True)
LOG_KL_DIV = pointwise("kl_div", kernels="log_kl_div", own_target_gradient=True)


def binary_cross_entropy_with_logits(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: Tensor | ArrayLike | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | ArrayLike | None = None,
) -> Any:
    """Return the cross-entropy of two classes from the logit of the positive one, or its mean or sum.

    With p = sigmoid(input), computed so that neither log p nor log(1 - p) overflows or is rounded to 0:

        loss = -weight · (pos_weight · target · log p + (1 - target) · log(1 - p))

    Parameters
    ----------
    input, target : ndarray or Tensor
        Logits, and the shares of the positive class, from 0 to 1; one shape, any; one dtype: float16, float32 or
        float64.
    weight : ndarray or Tensor, optional
        A factor of each loss, of the input's dtype; broadcast to the input's shape.
    reduction : {"mean", "sum", "none"}
        The mean divides by the number of elements; that of no element is NaN.
    pos_weight : ndarray or Tensor, optional
        A factor of the positive class; broadcast to the input's shape: (C,) for classes along the last axis.

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
        If there is no such reduction, or a gradient is
        required of a weight.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.binary_cross_entropy_with_logits([0.0, 1000.0], [1.0, 0.0], reduction="none").round(4)
    array([6.931e-01, 1.000e+03])
    """
    no_gradient("weight", weight)
    no_gradient("pos_weight", pos_weight)
    check_reduction(reduction)
    return apply(BINARY_CROSS_ENTROPY_WITH_LOGITS, input, target, weight, pos_weight, reduction=reduction)


def binary_cross_entropy(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    weight: Tensor | ArrayLike | None = None,
    reduction: str = "mean",
) -> Any:
    """Return the cross-entropy of two classes from the probability of the positive one, or its mean or sum.

    loss = -weight · (target · log input + (1 - target) · log(1 - input)),  with logarithms of -100 at least

    Behind a sigmoid, `binary_cross_entropy_with_logits` is more precise.

    Parameters
    ----------
    input, target : ndarray or Tensor
        Probabilities, and the shares of the positive class, from 0 to 1; one shape, any; one dtype: float16, float32
        or float64.
    weight : ndarray or Tensor, optional
        A factor of each loss, of the input's dtype; broadcast to the input's shape.
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
        If there is no such reduction, or an input is not from 0 to 1, or a gradient is
        required of the weight.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.binary_cross_entropy([0.5, 0.0], [1.0, 1.0], reduction="none").round(4)
    array([  0.6931, 100.    ])
    """
    no_gradient("weight", weight)
    check_reduction(reduction)
    _check_probabilities(np.asarray(array_of(input)))
    return apply(BINARY_CROSS_ENTROPY, input, target, weight, reduction=reduction)


def _check_probabilities(x: Array) -> None:
    if x.size and x.dtype.kind == "f" and (x.min() < 0 or x.max() > 1):  # NaN is neither
        raise ValueError(
            f"input must hold probabilities from 0 to 1, but it has {x.min()} to {x.max()}; "
            f"for logits there is binary_cross_entropy_with_logits."
        )


def kl_div(
    input: Tensor | ArrayLike,
    target: Tensor | ArrayLike,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """Return the terms of the Kullback-Leibler divergence of the target from exp(input), or their mean or sum.

    target · (log target - input)

    Parameters
    ----------
    input, target : ndarray or Tensor
        Logarithms of probabilities, and probabilities; one shape, any; one dtype: float16, float32 or float64.
    reduction : {"mean", "batchmean", "sum", "none"}
        The mean divides by the number of elements, "batchmean" by the length of the first axis, which makes the
        divergence of distributions along the others. The mean of no element is NaN.
    log_target : bool, default False
        Whether the target holds logarithms too.

    Returns
    -------
    ndarray or Tensor
        Without axes, or for "none" of the input's shape.

    Raises
    ------
    ShapeError
        If the shapes differ: nothing is broadcast, unlike in PyTorch, which warns.
    TypeError
        If the dtypes differ or are not floats, or log_target is not a bool.
    ValueError
        If there is no such reduction.

    References
    ----------
    S. Kullback and R. A. Leibler, "On Information and Sufficiency", Annals of Mathematical Statistics 22 (1951),
    79-86.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> p = np.array([[0.5, 0.5]])
    >>> float(sl.kl_div(np.log([[0.25, 0.75]]), p, "batchmean").round(4))
    0.1438
    """
    one_of("reduction", reduction, ("mean", "batchmean", "sum", "none"))
    return apply(LOG_KL_DIV if flag("log_target", log_target) else KL_DIV, input, target, reduction=reduction)
