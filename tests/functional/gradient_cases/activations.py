"""Gradient cases of the activations."""

import numpy as np

import sevenloops as sl


def away_from_zero(rng, shape):
    return rng.uniform(0.25, 3, shape) * rng.choice([-1, 1], shape)


def activation(function, shape=(3, 4)):
    return lambda rng: (function, [away_from_zero(rng, shape)])


def between(function, *kinks):
    """Return a case with arguments in every piece, at a distance from where pieces meet."""

    def make(rng):
        ends = np.array([min(kinks) - 1.5, *kinks, max(kinks) + 1.5])
        piece = np.concatenate([np.arange(len(ends) - 1), rng.integers(len(ends) - 1, size=8)])
        share = rng.uniform(0.1, 0.9, piece.shape)
        return function, [ends[piece] * (1 - share) + ends[piece + 1] * share]

    return make


def prelu(shape, weights):
    return lambda rng: (sl.prelu, [away_from_zero(rng, shape), rng.uniform(-1, 1, weights)])


CASES = {
    "relu": activation(sl.relu),
    "relu6": between(sl.relu6, 0, 6),
    "leaky_relu": activation(lambda x: sl.leaky_relu(x, 0.25)),
    "leaky_relu with a steep negative side": activation(lambda x: sl.leaky_relu(x, 2.0)),
    "leaky_relu that turns back": activation(lambda x: sl.leaky_relu(x, -0.5)),
    "prelu": prelu((2, 3, 4), (3,)),
    "prelu of rows": prelu((4, 3), (3,)),
    "prelu with one weight": prelu((2, 3, 2, 2), (1,)),
    "prelu with a weight of 0 axes": prelu((5,), ()),
    "prelu of 0 axes": prelu((), (1,)),
    "hardtanh": between(sl.hardtanh, -1, 1),
    "hardtanh with other bounds": between(lambda x: sl.hardtanh(x, 0.5, 2), 0.5, 2),
    "threshold": between(lambda x: sl.threshold(x, 0.5, -2.0), 0.5),
    "softshrink": between(sl.softshrink, -0.5, 0.5),
    "hardshrink": between(sl.hardshrink, -0.5, 0.5),
    "hardsigmoid": between(sl.hardsigmoid, -3, 3),
    "hardswish": between(sl.hardswish, -3, 3),
    "tanh": activation(sl.tanh),
    "sigmoid": activation(sl.sigmoid),
    "sigmoid of 0 axes": activation(sl.sigmoid, ()),
    "logsigmoid": activation(sl.logsigmoid),
    "softplus": activation(sl.softplus),
    "softplus with a low threshold": between(lambda x: sl.softplus(x, 2.0, 1.0), 0.5),
    "softsign": activation(sl.softsign),
    "tanhshrink": activation(sl.tanhshrink),
    "elu": activation(lambda x: sl.elu(x, 1.5)),
    "selu": activation(sl.selu),
    "celu": activation(lambda x: sl.celu(x, 0.5)),
    "silu": activation(sl.silu),
    "mish": activation(sl.mish),
    "gelu": activation(sl.gelu),
    "gelu by tanh": activation(lambda x: sl.gelu(x, "tanh")),
    "erf": activation(sl.erf),
    "softmax": activation(lambda x: sl.softmax(x, 1), (2, 5, 3)),
    "softmin": activation(lambda x: sl.softmin(x, 0), (4, 3)),
    "log_softmax": activation(lambda x: sl.log_softmax(x, -1), (2, 5, 3)),
    "glu": activation(sl.glu, (3, 4)),
    "glu of channels": activation(lambda x: sl.glu(x, 1), (2, 4, 3)),
}
