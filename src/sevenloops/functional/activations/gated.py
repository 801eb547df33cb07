"""Activations that are the input times a smooth step, and the error function, for arrays and Tensors.

None works in place: there is no argument `inplace`, unlike in PyTorch.
"""

from typing import Any

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.functional.activations.call import activation, forward, gradient
from sevenloops.functional.options import one_of

__all__ = ["erf", "gelu", "mish", "silu"]

_GELU_KERNELS = {"none": "gelu", "tanh": "gelu_tanh"}


def _gelu_forward(x: Any, *, approximate: str) -> tuple[Array, Array]:
    return forward(_GELU_KERNELS[approximate], True, x)


def _gelu_vjp(grad: Array, saved: Array, needs: tuple[bool, ...], *, approximate: str) -> tuple[Array]:
    return gradient(_GELU_KERNELS[approximate], grad, saved, needs)


SILU = activation("silu", keeps_input=True)
MISH = activation("mish", keeps_input=True)
#: Attribute: approximate.
GELU = Operation("gelu", _gelu_forward, _gelu_vjp)
ERF = activation("erf", keeps_input=True)


def silu(input: Tensor | ArrayLike) -> Any:
    """Return input · sigmoid(input), also called swish.

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
    S. Elfwing et al., "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement
    Learning", arXiv 1702.03118.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.silu([-1000.0, 0.0, 1.0]).round(4)
    array([-0.    ,  0.    ,  0.7311])
    """
    return apply(SILU, input)


def mish(input: Tensor | ArrayLike) -> Any:
    """Return input · tanh(softplus(input)).

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
    D. Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", arXiv 1908.08681.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.mish([-1000.0, 0.0, 1.0]).round(4)
    array([-0.    ,  0.    ,  0.8651])
    """
    return apply(MISH, input)


def gelu(input: Tensor | ArrayLike, approximate: str = "none") -> Any:
    """Return input · Φ(input), with Φ the distribution function of a normal variable.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    approximate : {"none", "tanh"}
        "tanh" takes (1 + tanh(√(2/π) · (input + 0.044715 · input³))) / 2 instead of Φ.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. Small values far below 0 keep their relative precision.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.
    ValueError
        If there is no such approximation.

    References
    ----------
    D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv 1606.08415.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.gelu([-1.0, 0.0, 1.0]).round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    return apply(GELU, input, approximate=one_of("approximate", approximate, tuple(_GELU_KERNELS)))


def erf(input: Tensor | ArrayLike) -> Any:
    """Return the error function, 2/√π times the integral of exp(-t²) from 0 to the input.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input; in float64 right to 3 units in the last place.

    Raises
    ------
    TypeError
        If the dtype is not one of the above.

    References
    ----------
    W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969),
    631-637.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.erf([0.0, 1.0, 10.0]).round(4)
    array([0.    , 0.8427, 1.    ])
    """
    return apply(ERF, input)
