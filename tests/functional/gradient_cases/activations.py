"""Gradient cases of the activations."""

import sevenloops as sl


def away_from_zero(rng, shape):
    return rng.uniform(0.25, 3, shape) * rng.choice([-1, 1], shape)


def activation(function, shape=(3, 4)):
    return lambda rng: (function, [away_from_zero(rng, shape)])


CASES = {
    "relu": activation(sl.relu),
    "leaky_relu": activation(lambda x: sl.leaky_relu(x, 0.25)),
    "leaky_relu with a steep negative side": activation(lambda x: sl.leaky_relu(x, 2.0)),
    "tanh": activation(sl.tanh),
    "sigmoid": activation(sl.sigmoid),
    "softmax": activation(lambda x: sl.softmax(x, 1), (2, 5, 3)),
    "log_softmax": activation(lambda x: sl.log_softmax(x, -1), (2, 5, 3)),
    "sigmoid of 0 axes": activation(sl.sigmoid, ()),
}
