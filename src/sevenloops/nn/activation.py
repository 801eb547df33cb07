"""Activation functions as layers."""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional import activations
from sevenloops.nn.module import Module

__all__ = ["LeakyReLU", "LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Tanh"]


class ReLU(Module):
    """max(x, 0), element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the activation of x, any shape."""
        return activations.relu(x)


class LeakyReLU(Module):
    """x where it is positive, and negative_slope · x elsewhere.

    Parameters
    ----------
    negative_slope : float

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.LeakyReLU(0.5)(np.array([-1.0, 2.0]))
    array([-0.5, 2. ])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the activation of x, any shape."""
        return activations.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """Return the slope."""
        return f"negative_slope={self.negative_slope}"


class Tanh(Module):
    """The hyperbolic tangent, element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Tanh()(np.array([0.0, 100.0]))
    array([0., 1.])
    """

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the activation of x, any shape."""
        return activations.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Sigmoid()(np.array([-1000.0, 0.0]))
    array([0. , 0.5])
    """

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the activation of x, any shape."""
        return activations.sigmoid(x)


class Softmax(Module):
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

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the probabilities of x, any shape with the axis."""
        return activations.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
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

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the log-probabilities of x, any shape with the axis."""
        return activations.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"
