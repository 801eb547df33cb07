"""Flattening and its inverse, as layers."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.shapes.dims import one_dim
from sevenloops.functional.shapes.shaping import RESHAPE, flatten
from sevenloops.nn.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Join neighbouring axes into one; by default all but the first, the batch axis.

    Parameters
    ----------
    start_dim, end_dim : int
        The first and the last of the axes to join; negative values count from the last axis.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Flatten()(np.zeros((2, 16, 5, 5))).shape
    (2, 400)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x, any shape with these axes, with the axes joined."""
        return flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Make several axes of one.

    Parameters
    ----------
    dim : int
        The axis; negative values count from the last.
    unflattened_size : sequence of int
        The lengths of the new axes; one may be -1: what remains.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Unflatten(1, (16, 5, 5))(np.zeros((2, 400))).shape
    (2, 16, 5, 5)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x, any shape with the axis, with that made into several."""
        shape = np.shape(x)
        place = one_dim("dim", self.dim, len(shape))
        sizes = self.unflattened_size
        if -1 in sizes:
            rest = shape[place] // max(1, -prod(sizes))
            sizes = tuple(rest if size == -1 else size for size in sizes)
        if prod(sizes) != shape[place] or min(sizes, default=0) < 0:
            raise ShapeError(
                f"unflattened_size must have as many elements as the axis, but axis {self.dim} of {shape} has "
                f"{shape[place]} and the size is {self.unflattened_size}."
            )
        return apply(RESHAPE, x, shape=(*shape[:place], *sizes, *shape[place + 1 :]))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
