"""Initial values of weights, written in place.

The functions of PyTorch have its names, arguments and rules; where it takes ``generator`` they take ``rng``: a
`numpy.random.Generator` or a seed, and None means fresh entropy. Random numbers are drawn in float64, in C order, and
then rounded, so one seed gives the same weights in every dtype and memory order.
"""

from sevenloops.nn.init.matrices import dirac_, eye_, orthogonal_
from sevenloops.nn.init.plain import Rng, constant_, normal_, ones_, trunc_normal_, uniform_, zeros_
from sevenloops.nn.init.variance import (
    calculate_gain,
    fan_in_and_fan_out,
    kaiming_normal_,
    kaiming_uniform_,
    lecun_normal_,
    lecun_uniform_,
    xavier_normal_,
    xavier_uniform_,
)

__all__ = [
    "Rng",
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "fan_in_and_fan_out",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
