"""Activations that look along an axis, as layers."""

from sevenloops.functional import activations
from sevenloops.nn.activation.layer import Activation

__all__ = [
    "GLU",
    "LogSoftmax",
    "Softmax",
    "Softmin",
]


class Softmax(Activation):
    """exp(x) divided by its sum along one axis.

    Parameters
    ----------
    dim : int
        The axis along which the result sums to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Softmax(dim=1)(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5], [1. , 0. ]])
    """

    function = staticmethod(activations.softmax)
    names = ("dim",)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim


class Softmin(Activation):
    """`Softmax` of -x.

    Parameters
    ----------
    dim : int
        The axis along which the result sums to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Softmin(dim=1)(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5], [0. , 1. ]])
    """

    function = staticmethod(activations.softmin)
    names = ("dim",)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim


class LogSoftmax(Activation):
    """The logarithm of `Softmax`, computed without rounding small probabilities to 0.

    Parameters
    ----------
    dim : int
        The axis along which the probabilities sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.LogSoftmax(dim=0)(np.array([1000.0, 0.0]))
    array([    0., -1000.])
    """

    function = staticmethod(activations.log_softmax)
    names = ("dim",)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim


class GLU(Activation):
    """The first half of x times the sigmoid of the second half, along one axis.

    Parameters
    ----------
    dim : int
        The axis; its length is even.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.GLU()(np.array([3.0, 8.0, 0.0, 1000.0]))
    array([1.5, 8. ])
    """

    function = staticmethod(activations.glu)
    names = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim
