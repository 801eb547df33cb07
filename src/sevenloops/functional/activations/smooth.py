"""Smooth activations made of exponentials, for arrays and Tensors.

None works in place: there is no argument `inplace`, unlike in PyTorch.
"""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor, apply
from sevenloops.functional.activations.call import activation
from sevenloops.functional.options import number

__all__ = [
    "celu",
    "elu",
    "logsigmoid",
    "selu",
    "sigmoid",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
]

TANH = activation("tanh", keeps_input=False)
SIGMOID = activation("sigmoid", keeps_input=False)
LOGSIGMOID = activation("logsigmoid", keeps_input=True)
#: Attributes: beta, threshold.
SOFTPLUS = activation("softplus", keeps_input=True)
SOFTSIGN = activation("softsign", keeps_input=True)
TANHSHRINK = activation("tanhshrink", keeps_input=True)
# Attributes of the next three: alpha, scale, rate; see the kernel.
ELU = activation("elu", keeps_input=True)
SELU = activation("selu", keeps_input=True, kernels="elu")
CELU = activation("celu", keeps_input=True, kernels="elu")

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def tanh(input: Tensor | ArrayLike) -> Any:
    """Return the hyperbolic tangent, element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.tanh([0.0, 100.0])
    array([0., 1.])
    """
    return apply(TANH, input)


def sigmoid(input: Tensor | ArrayLike) -> Any:
    """Return 1 / (1 + exp(-input)), element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64. No finite value overflows.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return apply(SIGMOID, input)


def logsigmoid(input: Tensor | ArrayLike) -> Any:
    """Return the logarithm of the sigmoid, without rounding that to 0 or 1 first.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.logsigmoid([-1000.0, 1000.0])
    array([-1000.,     0.])
    """
    return apply(LOGSIGMOID, input)


def softplus(input: Tensor | ArrayLike, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return log(1 + exp(beta · input)) / beta, a smooth relu.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    beta : float, default 1
        How sharp the bend is; not 0.
    threshold : float, default 20
        Where beta · input is greater, the result is the input.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or an option is not a number.
    ValueError
        If beta is 0.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.softplus([-1000.0, 0.0, 100.0]).round(4)
    array([  0.    ,   0.6931, 100.    ])
    """
    beta = number("beta", beta)
    if not beta:
        raise ValueError("beta must not be 0, since the result is divided by it.")
    return apply(SOFTPLUS, input, beta=beta, threshold=number("threshold", threshold))


def softsign(input: Tensor | ArrayLike) -> Any:
    """Return input / (1 + |input|), element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.softsign([-3.0, 0.0, 1.0])
    array([-0.75,  0.  ,  0.5 ])
    """
    return apply(SOFTSIGN, input)


def tanhshrink(input: Tensor | ArrayLike) -> Any:
    """Return input - tanh(input), element by element.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.tanhshrink([0.0, 100.0])
    array([ 0., 99.])
    """
    return apply(TANHSHRINK, input)


def elu(input: Tensor | ArrayLike, alpha: float = 1.0) -> Any:
    """Return the input where it is positive and alpha · (exp(input) - 1) elsewhere.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    alpha : float, default 1

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. The derivative at 0 is taken as alpha.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or alpha is not a number.

    References
    ----------
    D.-A. Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)",
    arXiv 1511.07289.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.elu([-1000.0, 0.0, 2.0])
    array([-1.,  0.,  2.])
    """
    return apply(ELU, input, alpha=number("alpha", alpha), scale=1.0, rate=1.0)


def selu(input: Tensor | ArrayLike) -> Any:
    """Return `elu` with a scale and an alpha that keep activations at mean 0 and variance 1.

    scale · (max(x, 0) + min(alpha · (exp(x) - 1), 0)),  alpha = 1.67326…, scale = 1.05070…

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    References
    ----------
    G. Klambauer et al., "Self-Normalizing Neural Networks", arXiv 1706.02515.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.selu([-1000.0, 0.0, 1.0]).round(4)
    array([-1.7581,  0.    ,  1.0507])
    """
    return apply(SELU, input, alpha=_SELU_ALPHA, scale=_SELU_SCALE, rate=1.0)


def celu(input: Tensor | ArrayLike, alpha: float = 1.0) -> Any:
    """Return max(input, 0) + min(alpha · (exp(input / alpha) - 1), 0), whose derivative has no jump.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    alpha : float, default 1
        Not 0.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or alpha is not a number.
    ValueError
        If alpha is 0.

    References
    ----------
    J. T. Barron, "Continuously Differentiable Exponential Linear Units", arXiv 1704.07483.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.celu([-1000.0, 0.0, 1.0], 2.0)
    array([-2.,  0.,  1.])
    """
    alpha = number("alpha", alpha)
    if not alpha:
        raise ValueError("alpha must not be 0, since the input is divided by it.")
    return apply(CELU, input, alpha=alpha, scale=1.0, rate=1 / alpha)
