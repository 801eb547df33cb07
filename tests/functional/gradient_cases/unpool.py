"""Gradient cases of max unpooling."""

import numpy as np

import sevenloops as sl


def unpool(function, shape, size, **options):
    """Places that differ, one value that goes nowhere."""

    def make(rng):
        planes = [rng.permutation(np.prod(size))[: np.prod(shape[2:])] for _ in range(np.prod(shape[:2]))]
        indices = np.stack(planes).reshape(shape)
        indices.flat[1] = -1
        return lambda x: function(x, indices, **options), [rng.standard_normal(shape)]

    return make


def repeated(rng):
    indices = np.array([[[3, 1, 3, 0, 1, -1]]])
    return lambda x: sl.max_unpool1d(x, indices, 2), [rng.standard_normal((1, 1, 6))]


CASES = {
    "max_unpool1d": unpool(sl.max_unpool1d, (2, 3, 4), (8,), kernel_size=2),
    "max_unpool2d": unpool(sl.max_unpool2d, (2, 3, 2, 3), (5, 7), kernel_size=2, output_size=(5, 7)),
    "max_unpool3d": unpool(sl.max_unpool3d, (1, 2, 2, 2, 1), (3, 3, 3), kernel_size=3, stride=2, padding=(1, 1, 0)),
    "max_unpool1d with places named twice": repeated,
}
