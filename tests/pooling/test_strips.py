import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import runtime
from sevenloops.pooling import strips
from sevenloops.pooling.indices import scatter


def channels_last(shape):
    return np.moveaxis(np.zeros((shape[0], *shape[2:], shape[1])), -1, 1)


@given(
    st.tuples(*[st.integers(1, 9)] * 4),
    st.booleans(),
    st.integers(8, 4000),
    st.sampled_from([0, 1 << 30]),
)
def test_strips_are_a_partition(shape, last, cache_bytes, parallel_bytes):
    array = channels_last(shape) if last else np.zeros(shape)
    before = runtime.CACHE_BYTES, strips.PARALLEL_BYTES
    sizes = []

    def visit(strip):
        array[strip] += 1
        sizes.append(array[strip].nbytes)

    try:
        runtime.CACHE_BYTES, strips.PARALLEL_BYTES = cache_bytes, parallel_bytes
        strips.each_strip(array, visit)
    finally:
        runtime.CACHE_BYTES, strips.PARALLEL_BYTES = before
    assert (array == 1).all()
    smallest = array[0].nbytes if last and shape[1] > 1 else array[0, 0].nbytes
    assert max(sizes) <= max(cache_bytes, smallest)


@pytest.mark.parametrize("make", [np.zeros, channels_last])
def test_a_flat_view_and_its_steps(make):
    array = make((2, 3, 4, 5))
    flat, (image, channel, element) = strips.flat_with_steps(array)
    flat[1 * image + 2 * channel + (3 * 5 + 4) * element] = 7
    assert array[1, 2, 3, 4] == 7
    assert array.sum() == 7


def test_gradients_are_scattered_into_memory_with_gaps_too():
    wide = np.full((2, 3, 4, 12), np.nan)
    out = wide[..., ::2]
    assert strips.flat_with_steps(out) is None
    scatter(np.ones((2, 3, 1, 2)), np.broadcast_to([5, 23], (2, 3, 1, 2)), out)
    expected = np.zeros((2, 3, 24))
    expected[..., [5, 23]] = 1
    np.testing.assert_array_equal(out.reshape(2, 3, 24), expected)
    assert np.isnan(wide[..., 1::2]).all()
