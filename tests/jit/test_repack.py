"""Channels first to channels last."""

import numpy as np
import pytest

from sevenloops import backends
from sevenloops.jit import repack

pytestmark = pytest.mark.skipif("jit" not in backends.usable(), reason="machine code needs llvmlite")

SHAPES = [
    (2, 3, 5, 7),
    (1, 16, 16, 16),
    (3, 33, 17, 19),
    (5, 100, 1, 1),
    (2, 7, 1),
    (4, 20, 300),
    (1, 70, 3, 3, 3),
    (2, 1, 5, 5),
    (2, 40, 33, 31),
    (0, 4, 3, 3),
]
ARRANGED = {
    "contiguous": lambda a: a,
    "every other channel": lambda a: np.repeat(a, 2, 1)[:, ::2],
    "images reversed": lambda a: a[::-1],
    "positions reversed": lambda a: a[..., ::-1],
    "fortran": np.asfortranarray,
    "channels last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
    "a part": lambda a: np.pad(a, [(1, 1)] * a.ndim)[(slice(1, -1),) * a.ndim],
    "repeated": lambda a: np.broadcast_to(a[:1], a.shape) if len(a) else a,
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("arranged", ARRANGED.values(), ids=ARRANGED)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_same_numbers_with_their_channels_side_by_side(shape, arranged, dtype):
    array = arranged(np.random.default_rng(0).standard_normal(shape).astype(dtype))
    before = array.copy()
    result = repack.channels_last(array)
    np.testing.assert_array_equal(result, before)
    np.testing.assert_array_equal(array, before)
    assert result.strides[1] == result.itemsize or shape[1] == 1 or not array.size


def test_what_has_its_channels_last_is_not_copied():
    array = np.moveaxis(np.zeros((2, 5, 5, 9), np.float32), -1, 1)
    assert repack.channels_last(array) is array
