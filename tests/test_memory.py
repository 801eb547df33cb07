import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from sevenloops.memory import allocate, has_channels_last


@st.composite
def laid_out(draw):
    """An (N, C, *spatial) array, and what its layout in memory says: True, False, or None if nothing.

    The axes are put into memory in any order, then cut, reversed and repeated.
    """
    axes = draw(st.integers(1, 3))
    order = draw(st.permutations(range(axes + 2)))
    sizes = draw(st.lists(st.integers(1, 3), min_size=axes + 2, max_size=axes + 2))
    steps = draw(st.lists(st.sampled_from([1, 1, -1, 2, -2]), min_size=axes + 2, max_size=axes + 2))
    repeated = draw(st.sets(st.integers(0, axes + 1), max_size=2))
    base = np.zeros([1 if axis in repeated else sizes[axis] * abs(steps[axis]) for axis in order])
    array = base.transpose(np.argsort(order))
    array = array[tuple(slice(None, None, 1 if axis in repeated else step) for axis, step in enumerate(steps))]
    array = np.broadcast_to(array, sizes)
    tells = [axis for axis in order if sizes[axis] > 1 and axis not in repeated]
    positions = [axis for axis in tells if axis > 1]
    if 1 not in tells or not positions:
        return array, None
    return array, tells.index(1) > max(map(tells.index, positions))


@given(case=laid_out(), otherwise=st.booleans())
def test_has_channels_last(case, otherwise):
    array, expected = case
    answer = has_channels_last(array, otherwise)
    assert answer is (otherwise if expected is None else expected)


AMBIGUOUS = {
    "one channel": np.zeros((2, 1, 4, 5)),
    "one channel, channels last": np.zeros((2, 4, 5, 1)).transpose(0, 3, 1, 2),
    "one position": np.zeros((2, 3, 1, 1)),
    "one position, channels last": np.zeros((2, 1, 1, 3)).transpose(0, 3, 1, 2),
    "one element": np.zeros((1, 1, 1)),
    "no image": np.zeros((0, 3, 4, 5)),
    "one channel repeated": np.broadcast_to(np.zeros((2, 1, 4, 5)), (2, 3, 4, 5)),
    "one position repeated": np.broadcast_to(np.zeros((2, 3, 1, 1)), (2, 3, 4, 5)),
    "one number repeated": np.broadcast_to(np.zeros(()), (2, 3, 4, 5)),
    "channels that overlap positions": as_strided(np.zeros(20), (2, 3, 4), (80, 8, 8)),
}


@pytest.mark.parametrize("otherwise", [True, False])
@pytest.mark.parametrize("array", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_memory_that_leaves_it_open(array, otherwise):
    assert has_channels_last(array, otherwise) is otherwise


CLEAR = {
    "first": (np.zeros((2, 3, 4, 5)), False),
    "last": (np.zeros((2, 4, 5, 3)).transpose(0, 3, 1, 2), True),
    "first, reversed": (np.zeros((2, 3, 4, 5))[:, ::-1, ::-1, ::-1], False),
    "last, reversed": (np.zeros((2, 4, 5, 3))[..., ::-1].transpose(0, 3, 1, 2), True),
    "first, one row repeated": (np.broadcast_to(np.zeros((2, 3, 1, 5)), (2, 3, 4, 5)), False),
    "last, one column repeated": (
        np.broadcast_to(np.zeros((2, 4, 1, 3)).transpose(0, 3, 1, 2), (2, 3, 4, 5)),
        True,
    ),
    "last, one row": (np.zeros((2, 1, 5, 3)).transpose(0, 3, 1, 2), True),
    "some channels of many": (np.zeros((2, 4, 5, 9))[..., ::4].transpose(0, 3, 1, 2), True),
}


@pytest.mark.parametrize("otherwise", [True, False])
@pytest.mark.parametrize(("array", "expected"), CLEAR.values(), ids=CLEAR)
def test_memory_that_tells(array, expected, otherwise):
    assert has_channels_last(array, otherwise) is expected


@pytest.mark.parametrize("last", [False, True])
def test_allocated_arrays_have_the_order(last):
    array = allocate((2, 3, 4, 5), np.dtype(np.float32), last)
    assert array.shape == (2, 3, 4, 5)
    assert array.dtype == np.float32
    assert has_channels_last(array, otherwise=not last) == last
