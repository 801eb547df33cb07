"""The kernels of unpooling: nothing is written outside, whatever the memory order."""

import numpy as np
import pytest

from sevenloops import backends
from sevenloops.pooling import unpool


@pytest.mark.parametrize("channels_last", [False, True])
def test_each_plane_has_its_own_values(channels_last):
    x = np.arange(1.0, 13).reshape(2, 3, 1, 2)
    indices = np.array([[[0, 3], [3, 0], [1, -1]], [[2, 1], [0, 0], [-1, -1]]]).reshape(x.shape)
    y = unpool.unpool(x, indices, (2, 2), channels_last)
    assert y.reshape(2, 3, 4).tolist() == [
        [[1, 0, 0, 2], [4, 0, 0, 3], [0, 5, 0, 0]],
        [[0, 8, 7, 0], [10, 0, 0, 0], [0, 0, 0, 0]],
    ]
    dx = unpool.unpool_grad(y, indices, channels_last)
    assert dx.reshape(2, 3, 2).tolist() == [[[1, 2], [3, 4], [5, 0]], [[7, 8], [0, 10], [0, 0]]]


@pytest.mark.parametrize("direction", ["forward", "gradient"])
def test_each_is_in_the_table_of_backends(direction):
    assert "numpy" in backends.backends_of("max_unpool", direction)
    assert callable(unpool.kernel(direction))
