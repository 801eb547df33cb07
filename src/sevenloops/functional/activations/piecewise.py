"""Activations that are straight or parabolic between a few points, for arrays and Tensors.

None works in place: there is no argument `inplace`, unlike in PyTorch.
"""

from math import prod
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.activations import kernel
from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_array, float_arrays, narrow
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.activations.call import activation, gradient, run
from sevenloops.functional.options import number

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "softshrink",
    "threshold",
]


def _leaky_relu_forward(x: Any, *, negative_slope: float) -> tuple[Array, Array]:
    x = float_array("input", x)
    y = run("leaky_relu", "forward", x, negative_slope=negative_slope)
    return y, (x if negative_slope < 0 else y)  # else y is positive where x is


def _leaky_relu_vjp(grad: Array, saved: Array, needs: tuple[bool, ...], *, negative_slope: float) -> tuple[Array]:
    return gradient("leaky_relu", grad, saved, needs, negative_slope=negative_slope)


RELU = activation("relu", keeps_input=False)
#: Attributes: min_val and max_val, 0 and 6.
RELU6 = activation("relu6", keeps_input=False, kernels="hardtanh")
#: Attribute: negative_slope.
LEAKY_RELU = Operation("leaky_relu", _leaky_relu_forward, _leaky_relu_vjp)
#: Attributes: min_val, max_val. In the result, a bound that float16 does not have looks like a number inside.
HARDTANH = activation("hardtanh", keeps_input=True)
#: Attributes: threshold, value.
THRESHOLD = activation("threshold", keeps_input=True)
#: Attribute: lambd.
SOFTSHRINK = activation("softshrink", keeps_input=False)
#: Attribute: lambd.
HARDSHRINK = activation("hardshrink", keeps_input=True)
HARDSIGMOID = activation("hardsigmoid", keeps_input=False)
HARDSWISH = activation("hardswish", keeps_input=True)


def relu(input: Tensor | ArrayLike) -> Any:
    """Return max(input, 0), element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at 0 is taken as 0; NaN stays NaN.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.relu([-1.0, 0.0, 2.0])
    array([0., 0., 2.])
    """
    return apply(RELU, input)


def relu6(input: Tensor | ArrayLike) -> Any:
    """Return min(max(input, 0), 6), element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at 0 and at 6 is taken as 0.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    References
    ----------
    A. G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    arXiv 1704.04861.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.relu6([-1.0, 2.0, 8.0])
    array([0., 2., 6.])
    """
    return apply(RELU6, input, min_val=0.0, max_val=6.0)


def leaky_relu(input: Tensor | ArrayLike, negative_slope: float = 0.01) -> Any:
    """Return the input where it is positive and negative_slope · input elsewhere.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    negative_slope : float, default 0.01

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at 0 is taken as negative_slope.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or negative_slope is not a number.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.leaky_relu([-1.0, 0.0, 2.0], 0.5)
    array([-0.5,  0. ,  2. ])
    """
    return apply(LEAKY_RELU, input, negative_slope=number("negative_slope", negative_slope))


def _prelu_forward(x: Any, weight: Any) -> tuple[Array, tuple[Array, Array]]:
    x, weight = float_arrays(input=x, weight=weight)
    return run("prelu", "forward", x, _per_channel(x, weight), like=x), (x, weight)


def _prelu_vjp(grad: Array, saved: tuple[Array, Array], needs: tuple[bool, ...]) -> tuple[Array | None, Array | None]:
    x, weight = saved
    spread = _per_channel(x, weight)
    dx = dw = None
    if needs[0]:
        dx = run("prelu", "gradient", grad, x, spread, like=x)
    if needs[1]:
        wide = compute_dtype(x.dtype)
        summed = runtime.empty(spread.shape, wide)
        kernel("prelu", "weight_grad")(
            *(np.atleast_1d(array.astype(wide, copy=False)) for array in (grad, x)), np.atleast_1d(summed)
        )
        dw = narrow(summed.reshape(weight.shape), x.dtype)
    return dx, dw


def _per_channel(x: Array, weight: Array) -> Array:
    """View the weight so that it meets the channels of x, its second axis."""
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or prod(weight.shape) not in (1, channels):
        raise ShapeError(
            f"weight must be one number or have one entry per channel of the input, shape ({channels},), "
            f"but its shape is {weight.shape} and the input's {x.shape}."
        )
    return weight.reshape(1, -1, *(1,) * (x.ndim - 2)) if x.ndim > 1 else weight.reshape((1,) * x.ndim)


PRELU = Operation("prelu", _prelu_forward, _prelu_vjp)


def prelu(input: Tensor | ArrayLike, weight: Tensor | ArrayLike) -> Any:
    """Return the input where it is positive and weight · input elsewhere, with a weight that is learned.

    Parameters
    ----------
    input : ndarray or Tensor, any shape or (N, C, *)
        float16, float32 or float64.
    weight : ndarray or Tensor, (C,), (1,) or ()
        One slope per channel, or one for all; of the input's dtype.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at 0 is taken as the weight.

    Raises
    ------
    ShapeError
        If the weight has neither one entry nor one per channel.
    TypeError
        If the dtypes differ or are not floats.

    References
    ----------
    K. He et al., "Delving Deep into Rectifiers", arXiv 1502.01852.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.prelu(np.array([[-1.0, -1.0, 2.0]]), np.array([0.5, 0.25, 0.0]))
    array([[-0.5 , -0.25,  2.  ]])
    """
    return apply(PRELU, input, weight)


def hardtanh(input: Tensor | ArrayLike, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return the input, or the bound that it is beyond.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    min_val, max_val : float, default -1 and 1
        The bounds.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at a bound is taken as 0.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or a bound is not a number.
    ValueError
        If min_val is greater than max_val.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.hardtanh([-3.0, 0.5, 3.0])
    array([-1. ,  0.5,  1. ])
    """
    low, high = number("min_val", min_val), number("max_val", max_val)
    if not low <= high:
        raise ValueError(f"min_val must not be greater than max_val, but they are {low} and {high}.")
    return apply(HARDTANH, input, min_val=low, max_val=high)


def threshold(input: Tensor | ArrayLike, threshold: float, value: float) -> Any:
    """Return the input where it is above a threshold, and a value elsewhere.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    threshold, value : float

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. NaN stays NaN.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or an option is not a number.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.threshold([-1.0, 0.5, 2.0], 1.0, 7.0)
    array([7., 7., 2.])
    """
    return apply(THRESHOLD, input, threshold=number("threshold", threshold), value=number("value", value))


def softshrink(input: Tensor | ArrayLike, lambd: float = 0.5) -> Any:
    """Return the input moved towards 0 by lambd, and 0 where it is nearer than that.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    lambd : float, default 0.5
        At least 0.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at ±lambd is taken as 0.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or lambd is not a number.
    ValueError
        If lambd is negative.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.softshrink([-2.0, 0.25, 1.0])
    array([-1.5,  0. ,  0.5])
    """
    lambd = number("lambd", lambd)
    if not lambd >= 0:
        raise ValueError(f"lambd must be at least 0, but got {lambd}.")
    return apply(SOFTSHRINK, input, lambd=lambd)


def hardshrink(input: Tensor | ArrayLike, lambd: float = 0.5) -> Any:
    """Return the input, and 0 where it is from -lambd to lambd.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    lambd : float, default 0.5

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at ±lambd is taken as 0.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or lambd is not a number.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.hardshrink([-2.0, 0.25, 1.0])
    array([-2.,  0.,  1.])
    """
    return apply(HARDSHRINK, input, lambd=number("lambd", lambd))


def hardsigmoid(input: Tensor | ArrayLike) -> Any:
    """Return min(max(input + 3, 0), 6) / 6, straight lines near the logistic function.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at ±3 is taken as 0.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.hardsigmoid([-4.0, 0.0, 1.5, 4.0])
    array([0.  , 0.5 , 0.75, 1.  ])
    """
    return apply(HARDSIGMOID, input)


def hardswish(input: Tensor | ArrayLike) -> Any:
    """Return input · min(max(input + 3, 0), 6) / 6.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative is taken as 0 at -3 and as 1 at 3.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    References
    ----------
    A. Howard et al., "Searching for MobileNetV3", arXiv 1905.02244.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.hardswish([-4.0, -1.5, 0.0, 4.0])
    array([-0.   , -0.375,  0.   ,  4.   ])
    """
    return apply(HARDSWISH, input)
