"""Gradient cases of normalisation."""

import numpy as np

import sevenloops as sl


def values(rng, shape):
    """Return an input; not normal numbers, which the checker draws too: normalised they could be its cotangent."""
    return rng.uniform(-1, 2, shape)


def normed(function, shape, parameter, *, with_bias=True):
    def make(rng):
        arrays = [values(rng, shape), rng.uniform(0.5, 2, parameter), rng.standard_normal(parameter)]
        return function, arrays[: 2 + with_bias]

    return make


def batch(x, w, b):
    return sl.batch_norm(x, None, None, w, b, training=True)


def running(function):
    def with_running(x, w, b):
        mean, variance = (np.linspace(low, 2, len(w)).astype(x.dtype) for low in (-1, 1))
        return function(x, mean, variance, w, b, False)

    return with_running


SHAPES = {"vectors": (6, 3), "1d": (3, 4, 5), "2d": (2, 4, 4, 5), "3d": (2, 4, 2, 3, 2), "large maps": (2, 4, 9, 8)}

CASES = {f"batch_norm of {name}": normed(batch, shape, shape[1]) for name, shape in SHAPES.items()}
CASES |= {
    "batch_norm with running statistics": normed(running(sl.batch_norm), (2, 4, 3), 4),
    "batch_norm without parameters": lambda rng: (
        lambda x: sl.batch_norm(x, None, None, training=True),
        [values(rng, (3, 2, 4))],
    ),
    "group_norm of vectors": normed(lambda x, w, b: sl.group_norm(x, 2, w, b), (3, 6), 6),
    "group_norm": normed(lambda x, w, b: sl.group_norm(x, 2, w, b), (2, 6, 3, 2), 6),
    "group_norm of one group": normed(lambda x, w, b: sl.group_norm(x, 1, w, b), (2, 4, 5), 4),
    "instance_norm": normed(lambda x, w, b: sl.instance_norm(x, None, None, w, b), (2, 3, 4, 5), 3),
    "instance_norm with running statistics": normed(running(sl.instance_norm), (2, 4, 3), 4),
    "layer_norm": normed(lambda x, w, b: sl.layer_norm(x, 5, w, b), (2, 3, 5), 5),
    "layer_norm of two axes": normed(lambda x, w, b: sl.layer_norm(x, (4, 3), w, b), (5, 4, 3), (4, 3)),
    "layer_norm without parameters": lambda rng: (lambda x: sl.layer_norm(x, (2, 5)), [values(rng, (2, 5))]),
    "rms_norm": normed(lambda x, w: sl.rms_norm(x, (3, 4), w, 1e-3), (2, 3, 4), (3, 4), with_bias=False),
    "local_response_norm": lambda rng: (
        lambda x: sl.local_response_norm(x, 3, 0.5, 0.75, 2.0),
        [values(rng, (2, 6, 3))],
    ),
    "local_response_norm of an even size": lambda rng: (
        lambda x: sl.local_response_norm(x, 4, 0.5),
        [values(rng, (2, 3, 2, 2))],
    ),
}
