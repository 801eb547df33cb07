"""The weight and bias of layers that are affine maps: convolutions and Linear."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import float_dtype
from sevenloops.geometry.arguments import flag
from sevenloops.nn import init
from sevenloops.nn.module import Parameter

__all__ = ["weight_and_bias"]


def weight_and_bias(
    shape: tuple[int, ...], outputs: int, bias: Any, dtype: npt.DTypeLike, rng: init.Rng
) -> tuple[Parameter, Parameter | None]:
    """Return a weight of the given shape and, if `bias` is true, a bias of `outputs` entries.

    They start as in PyTorch: both are drawn evenly from [-b, b) with b = 1 / √fan_in, which for the weight is
    kaiming_uniform_ with a = √5.
    """
    kind = float_dtype(dtype)
    generator = np.random.default_rng(rng)
    weight = Parameter(np.empty(shape, kind))
    init.kaiming_uniform_(weight, a=math.sqrt(5), rng=generator)
    if not flag("bias", bias):
        return weight, None
    bound = 1 / math.sqrt(init.fan_in_and_fan_out(shape)[0])
    return weight, init.uniform_(Parameter(np.empty(outputs, kind)), -bound, bound, rng=generator)
