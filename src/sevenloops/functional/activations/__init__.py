"""Activation functions, for arrays and Tensors; one module per kind."""

from sevenloops.functional.activations.gated import erf, gelu, mish, silu
from sevenloops.functional.activations.piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    prelu,
    relu,
    relu6,
    softshrink,
    threshold,
)
from sevenloops.functional.activations.rows import glu, log_softmax, softmax, softmin
from sevenloops.functional.activations.smooth import (
    celu,
    elu,
    logsigmoid,
    selu,
    sigmoid,
    softplus,
    softsign,
    tanh,
    tanhshrink,
)

__all__ = [
    "celu",
    "elu",
    "erf",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]
