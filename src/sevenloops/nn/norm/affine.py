"""The factor and the offset of normalisation."""

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import float_dtype
from sevenloops.geometry.arguments import flag
from sevenloops.nn.module import Module, Parameter

__all__ = ["Affine"]


class Affine(Module):
    """What layers with a factor and an offset share: both are there, or the factor alone, or none."""

    weight: Parameter | None
    bias: Parameter | None

    def set_parameters(self, shape: tuple[int, ...], affine: bool, bias: bool, dtype: npt.DTypeLike) -> None:
        """Make them, of ones and of zeros."""
        kind = float_dtype(dtype)
        bias = flag("bias", bias)
        self.weight = Parameter(np.ones(shape, kind)) if affine else None
        self.bias = Parameter(np.zeros(shape, kind)) if affine and bias else None
