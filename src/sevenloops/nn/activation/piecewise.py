"""Activations that are straight or parabolic in pieces, as layers.

None works in place; `inplace` is there as in PyTorch, and changes nothing.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike, float_dtype
from sevenloops.autograd import Tensor
from sevenloops.functional import activations
from sevenloops.functional.options import number
from sevenloops.geometry.arguments import integer
from sevenloops.nn.activation.layer import Activation, InplaceActivation
from sevenloops.nn.module import Module, Parameter

__all__ = [
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "ReLU6",
    "Softshrink",
    "Threshold",
]


class ReLU(InplaceActivation):
    """max(x, 0), element by element.

    Parameters
    ----------
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    function = staticmethod(activations.relu)


class ReLU6(InplaceActivation):
    """min(max(x, 0), 6), element by element.

    Parameters
    ----------
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.ReLU6()(np.array([-1.0, 2.0, 8.0]))
    array([0., 2., 6.])
    """

    function = staticmethod(activations.relu6)


class LeakyReLU(InplaceActivation):
    """x where it is positive, and negative_slope · x elsewhere.

    Parameters
    ----------
    negative_slope : float
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.LeakyReLU(0.5)(np.array([-1.0, 2.0]))
    array([-0.5, 2. ])
    """

    function = staticmethod(activations.leaky_relu)
    names = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope


class PReLU(Module):
    """x where it is positive, and weight · x elsewhere, with a weight that is learned.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    init : float
        What the weight starts with.
    dtype : float16, float32 or float64
        Of the weight, and so of the inputs.

    Attributes
    ----------
    weight : Parameter, (num_parameters,)

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.PReLU(dtype=np.float64)(np.array([-1.0, 2.0])).numpy()
    array([-0.25, 2. ])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: npt.DTypeLike = np.float32) -> None:
        super().__init__()
        self.num_parameters = integer("num_parameters", num_parameters, 1)
        self.init = number("init", init)
        kind = float_dtype(dtype)
        self.weight = Parameter(np.full(self.num_parameters, self.init, kind))

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the activation of x, any shape or (N, num_parameters, *)."""
        return activations.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """Return the number of parameters."""
        return f"num_parameters={self.num_parameters}"


class Hardtanh(InplaceActivation):
    """x, or the bound that it is beyond.

    Parameters
    ----------
    min_val, max_val : float
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Hardtanh()(np.array([-3.0, 0.5, 3.0]))
    array([-1. , 0.5, 1. ])
    """

    function = staticmethod(activations.hardtanh)
    names = (
        "min_val",
        "max_val",
    )

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.min_val = min_val
        self.max_val = max_val


class Threshold(InplaceActivation):
    """x where it is above the threshold, and the value elsewhere.

    Parameters
    ----------
    threshold, value : float
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Threshold(1.0, 7.0)(np.array([0.5, 2.0]))
    array([7., 2.])
    """

    function = staticmethod(activations.threshold)
    names = (
        "threshold",
        "value",
    )

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value


class Softshrink(Activation):
    """x moved towards 0 by lambd, and 0 where it is nearer than that.

    Parameters
    ----------
    lambd : float
        At least 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Softshrink()(np.array([-2.0, 0.25]))
    array([-1.5, 0. ])
    """

    function = staticmethod(activations.softshrink)
    names = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """Return the value alone, as PyTorch does."""
        return str(self.lambd)


class Hardshrink(Activation):
    """x, and 0 where it is from -lambd to lambd.

    Parameters
    ----------
    lambd : float

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Hardshrink()(np.array([-2.0, 0.25]))
    array([-2., 0.])
    """

    function = staticmethod(activations.hardshrink)
    names = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """Return the value alone, as PyTorch does."""
        return str(self.lambd)


class Hardsigmoid(InplaceActivation):
    """min(max(x + 3, 0), 6) / 6, element by element.

    Parameters
    ----------
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Hardsigmoid()(np.array([-4.0, 0.0]))
    array([0. , 0.5])
    """

    function = staticmethod(activations.hardsigmoid)


class Hardswish(InplaceActivation):
    """x · min(max(x + 3, 0), 6) / 6, element by element.

    Parameters
    ----------
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Hardswish()(np.array([-1.5, 4.0]))
    array([-0.375, 4. ])
    """

    function = staticmethod(activations.hardswish)
