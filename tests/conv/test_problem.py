from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.conv.problem import DIRECTIONS, Epilogue
from tests.helpers.ladder import make_problem


def test_directions():
    assert DIRECTIONS == ("forward", "input_grad", "weight_grad")


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_itemsize(dtype, size):
    assert make_problem(dtype=dtype).itemsize == size


@given(
    channel_axis=st.integers(0, 3),
    shape=st.lists(st.integers(1, 4), min_size=4, max_size=4),
    start=st.integers(0, 3),
)
def test_the_epilogue_adds_each_channel_its_bias(channel_axis, shape, start):
    count = shape[channel_axis]
    bias = np.arange(10.0, 10.0 + start + count + 2)
    block = np.arange(float(prod(shape))).reshape(shape)
    expected = block.copy()
    for index in np.ndindex(*shape):
        expected[index] += bias[start + index[channel_axis]]
    Epilogue(bias).apply(block, channel_axis, slice(start, start + count))
    np.testing.assert_array_equal(block, expected)


def test_without_a_bias_the_block_stays():
    block = np.ones((2, 3, 4))
    Epilogue().apply(block, 1)
    assert (block == 1).all()
