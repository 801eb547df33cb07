"""Smooth activations as layers.

None works in place; `inplace` is there as in PyTorch, and changes nothing.
"""

from sevenloops.functional import activations
from sevenloops.nn.activation.layer import Activation, InplaceActivation

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "LogSigmoid",
    "Mish",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class Tanh(Activation):
    """The hyperbolic tangent, element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Tanh()(np.array([0.0, 100.0]))
    array([0., 1.])
    """

    function = staticmethod(activations.tanh)


class Tanhshrink(Activation):
    """x - tanh(x), element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Tanhshrink()(np.array([0.0, 100.0]))
    array([ 0., 99.])
    """

    function = staticmethod(activations.tanhshrink)


class Sigmoid(Activation):
    """1 / (1 + exp(-x)), element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Sigmoid()(np.array([-1000.0, 0.0]))
    array([0. , 0.5])
    """

    function = staticmethod(activations.sigmoid)


class LogSigmoid(Activation):
    """The logarithm of `Sigmoid`, computed without rounding that to 0 or 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.LogSigmoid()(np.array([-1000.0, 1000.0]))
    array([-1000., 0.])
    """

    function = staticmethod(activations.logsigmoid)


class Softplus(Activation):
    """log(1 + exp(beta · x)) / beta, and x itself where beta · x is above the threshold.

    Parameters
    ----------
    beta : float
        Not 0.
    threshold : float

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Softplus()(np.array([-1000.0, 100.0]))
    array([  0., 100.])
    """

    function = staticmethod(activations.softplus)
    names = (
        "beta",
        "threshold",
    )

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold


class Softsign(Activation):
    """x / (1 + |x|), element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Softsign()(np.array([-3.0, 1.0]))
    array([-0.75, 0.5 ])
    """

    function = staticmethod(activations.softsign)


class ELU(InplaceActivation):
    """x where it is positive, and alpha · (exp(x) - 1) elsewhere.

    Parameters
    ----------
    alpha : float
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.ELU()(np.array([-1000.0, 2.0]))
    array([-1., 2.])
    """

    function = staticmethod(activations.elu)
    names = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha


class SELU(InplaceActivation):
    """`ELU` with a scale and an alpha that keep activations at mean 0 and variance 1.

    Parameters
    ----------
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.SELU()(np.array([-1000.0, 1.0])).round(4)
    array([-1.7581, 1.0507])
    """

    function = staticmethod(activations.selu)


class CELU(InplaceActivation):
    """max(x, 0) + min(alpha · (exp(x / alpha) - 1), 0), whose derivative has no jump.

    Parameters
    ----------
    alpha : float
        Not 0.
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.CELU(2.0)(np.array([-1000.0, 1.0]))
    array([-2., 1.])
    """

    function = staticmethod(activations.celu)
    names = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha


class SiLU(InplaceActivation):
    """x · sigmoid(x), also called swish.

    Parameters
    ----------
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.SiLU()(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """

    function = staticmethod(activations.silu)


class Mish(InplaceActivation):
    """x · tanh(softplus(x)).

    Parameters
    ----------
    inplace : bool
        A permission to overwrite the input, which is not made use of.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Mish()(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """

    function = staticmethod(activations.mish)


class GELU(Activation):
    """x · Φ(x), with Φ the distribution function of a normal variable.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "tanh" takes a formula with the hyperbolic tangent instead of Φ.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.GELU()(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8413])
    """

    function = staticmethod(activations.gelu)
    names = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate
