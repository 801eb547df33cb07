"""The affine map of the last axis, as a layer."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.products.linear import linear
from sevenloops.geometry.arguments import integer
from sevenloops.nn.affine import weight_and_bias
from sevenloops.nn.init import Rng
from sevenloops.nn.module import Module

__all__ = ["Linear"]


class Linear(Module):
    """x·Wᵀ + b along the last axis.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
        Whether b is there.
    dtype : float16, float32 or float64
        Of the parameters, and so of the inputs.
    rng : Generator, seed or None
        Where the initial W and b are drawn from: evenly from ±1 / √in_features.

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
    bias : Parameter, (out_features,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Linear(4, 3)(np.zeros((2, 4), np.float32)).shape
    (2, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        self.in_features = integer("in_features", in_features, 1)
        self.out_features = integer("out_features", out_features, 1)
        shape = (self.out_features, self.in_features)
        self.weight, self.bias = weight_and_bias(shape, self.out_features, bias, dtype, rng)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the map of x, (*, in_features), with shape (*, out_features)."""
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
