"""Flattening, as a layer."""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.shaping import flatten
from sevenloops.nn.module import Module

__all__ = ["Flatten"]


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
