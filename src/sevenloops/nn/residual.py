"""What stands for a shortcut: the identity, and the sum of a module with one."""

from typing import Any

import numpy as np

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.nn.module import Module

__all__ = ["Identity", "Residual"]


class Identity(Module):
    """What comes in goes out; it takes any arguments when it is made, and forgets them.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Identity()(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


class Residual(Module):
    """module(x) + shortcut(x): the module learns what is to be added to its input.

    Parameters
    ----------
    module : Module
        Its results have the shape of the shortcut's.
    shortcut : Module, optional
        Where the module changes the shape, what changes x alike: a 1×1 convolution with the same stride. Otherwise
        x itself is added.

    References
    ----------
    K. He et al., "Deep residual learning for image recognition", arXiv 1512.03385.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> block = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8))
    >>> model = nn.Residual(block, shortcut=nn.Conv2d(4, 8, 1, stride=2))
    >>> model(np.zeros((2, 4, 6, 6), np.float32)).shape
    (2, 8, 3, 3)
    """

    module: Module
    shortcut: Module | None

    def __init__(self, module: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        self.add_module("module", module)
        self.add_module("shortcut", shortcut)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the sum for x, whatever the two modules take."""
        x = x if isinstance(x, Tensor) else np.asarray(x)
        y = self.module(x)
        added = x if self.shortcut is None else self.shortcut(x)
        if y.shape != added.shape:
            remedy = "" if self.shortcut is not None else "; pass a shortcut that changes x alike"
            raise ShapeError(
                f"A residual sum needs equal shapes, but the module gives {y.shape} and the shortcut "
                f"{added.shape}{remedy}."
            )
        return y + added
