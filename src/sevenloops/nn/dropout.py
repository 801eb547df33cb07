"""Dropout as layers. Each keeps the generator that its masks are drawn from.

None works in place; `inplace` is there as in PyTorch, and changes nothing.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d
from sevenloops.functional.options import probability
from sevenloops.geometry.arguments import flag
from sevenloops.nn.init import Rng
from sevenloops.nn.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]


class _Dropout(Module):
    """What all dropout layers share: the function of their name, and a generator."""

    function: ClassVar[Callable[..., Any]]
    generator: np.random.Generator

    def __init__(self, p: float = 0.5, inplace: bool = False, *, rng: Rng = None) -> None:
        super().__init__()
        self.inplace = flag("inplace", inplace)
        self.p = probability("p", p)
        self.generator = np.random.default_rng(rng)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x with a new mask while the module is being trained, and x itself otherwise."""
        return type(self).function(x, self.p, self.training, rng=self.generator)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}" + (", inplace=True" if self.inplace else "")


class Dropout(_Dropout):
    """In training, elements become 0 with probability p, and the others are divided by 1 - p.

    Parameters
    ----------
    p : float
        From 0 to 1.
    inplace : bool
        A permission to overwrite the input, which is not made use of.
    rng : Generator, seed or None
        Where the masks are drawn from; layers that are given one generator share it.

    Attributes
    ----------
    generator : numpy.random.Generator
        Its state is part of what a run must save to go on as if it had not stopped.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> layer = nn.Dropout(0.5, rng=0)
    >>> sorted(set(layer(np.ones(100)).tolist()))
    [0.0, 2.0]
    >>> layer.eval()(np.ones(2))
    array([1., 1.])
    """

    function = staticmethod(dropout)


class Dropout1d(_Dropout):
    """In training, channels of (N, C, L) or (C, L) become 0 with probability p; the others are divided by 1 - p.

    Parameters
    ----------
    p : float
        From 0 to 1.
    inplace : bool
        A permission to overwrite the input, which is not made use of.
    rng : Generator, seed or None
        As for `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Dropout1d(1.0)(np.ones((1, 2, 3))).any()
    np.False_
    """

    function = staticmethod(dropout1d)


class Dropout2d(_Dropout):
    """In training, channels of (N, C, H, W) or (C, H, W) become 0 with probability p, as in `Dropout`.

    Sequences (N, C, L), which PyTorch's also takes, are for `Dropout1d`.

    Parameters
    ----------
    p : float
        From 0 to 1.
    inplace : bool
        A permission to overwrite the input, which is not made use of.
    rng : Generator, seed or None
        As for `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Dropout2d(1.0)(np.ones((1, 2, 3, 3))).any()
    np.False_
    """

    function = staticmethod(dropout2d)


class Dropout3d(_Dropout):
    """In training, channels of (N, C, D, H, W) or without N become 0 with probability p, as in `Dropout`.

    Parameters
    ----------
    p : float
        From 0 to 1.
    inplace : bool
        A permission to overwrite the input, which is not made use of.
    rng : Generator, seed or None
        As for `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Dropout3d(1.0)(np.ones((1, 2, 3, 3, 3))).any()
    np.False_
    """

    function = staticmethod(dropout3d)


class AlphaDropout(_Dropout):
    """In training, elements become the lower limit of SELU with probability p; mean 0 and variance 1 are kept.

    Parameters
    ----------
    p : float
        From 0 to 1.
    inplace : bool
        A permission to overwrite the input, which is not made use of.
    rng : Generator, seed or None
        As for `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AlphaDropout(0.5).eval()(np.ones(2))
    array([1., 1.])
    """

    function = staticmethod(alpha_dropout)
