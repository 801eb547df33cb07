"""Axes in another order or direction: each element is looked up at its place."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl

SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)


def numbered(shape):
    return np.arange(int(np.prod(shape))).reshape(shape)


@given(shape=SHAPES, data=st.data())
def test_permute_moves_each_axis(shape, data):
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    x = np.random.default_rng(0).standard_normal(shape)
    signed = tuple(dim - len(shape) if data.draw(st.booleans()) else dim for dim in order)
    result = sl.Tensor(x).permute(*signed).numpy()
    for index in itertools.product(*map(range, result.shape)):
        source = [0] * len(shape)
        for position, dim in zip(index, order):
            source[dim] = position
        assert result[index] == x[tuple(source)]
    assert np.shares_memory(result, x)
    np.testing.assert_array_equal(sl.permute(x, signed), result)


@given(shape=SHAPES, data=st.data())
def test_transpose_exchanges_two_axes(shape, data):
    first, second = (data.draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
    x = np.random.default_rng(0).standard_normal(shape)
    for result in (sl.transpose(x, first, second), sl.swapaxes(x, first, second)):
        for index in itertools.product(*map(range, result.shape)):
            source = list(index)
            source[first], source[second] = source[second], source[first]
            assert result[index] == x[tuple(source)]


def test_t_reverses_the_axes():
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    assert sl.Tensor(x).T.shape == (4, 3, 2)
    assert sl.Tensor(x).T.numpy()[3, 1, 0] == x[0, 1, 3]


@given(shape=SHAPES, data=st.data())
def test_movedim_puts_axes_in_their_places(shape, data):
    count = data.draw(st.integers(0, len(shape)))
    source, destination = (tuple(data.draw(st.permutations(range(len(shape))))[:count]) for _ in range(2))
    result = sl.movedim(numbered(shape), source, destination)
    rest = iter([axis for axis in range(len(shape)) if axis not in source])
    order = [source[destination.index(place)] if place in destination else next(rest) for place in range(len(shape))]
    assert result.shape == tuple(shape[axis] for axis in order)
    for index in itertools.product(*map(range, result.shape)):
        origin = [0] * len(shape)
        for axis, position in zip(order, index):
            origin[axis] = position
        assert result[index] == numbered(shape)[tuple(origin)]
    if count == 1:
        np.testing.assert_array_equal(sl.movedim(numbered(shape), source[0], destination[0] - len(shape)), result)


@given(shape=SHAPES, data=st.data())
def test_flip_reverses_axes(shape, data):
    dims = tuple(data.draw(st.permutations(range(len(shape))))[: data.draw(st.integers(0, len(shape)))])
    x = numbered(shape)
    for result in (sl.flip(x, dims), sl.Tensor(x).flip(*dims).numpy(), sl.Tensor(x).flip(dims).numpy()):
        for index in itertools.product(*map(range, shape)):
            origin = tuple(n - 1 - i if axis in dims else i for axis, (i, n) in enumerate(zip(index, shape)))
            assert result[index] == x[origin]


@given(shape=SHAPES, data=st.data())
def test_roll_moves_in_a_circle(shape, data):
    dim, shift = data.draw(st.integers(0, len(shape) - 1)), data.draw(st.integers(-5, 5))
    x = numbered(shape)
    result = sl.roll(x, shift, dim)
    for index in itertools.product(*map(range, shape)):
        target = tuple((i + shift) % n if axis == dim else i for axis, (i, n) in enumerate(zip(index, shape)))
        assert result[target] == x[index]
    flat = sl.roll(x, shift).ravel()
    assert all(flat[(i + shift) % x.size] == value for i, value in enumerate(x.ravel()))


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda x: sl.permute(x, (0,)), ValueError, r"needs each axis once, but got \(0,\) for the shape \(2, 3\)"),
    (lambda x: x.permute(0, 0), ValueError, "dims must not name an axis twice"),
    (lambda x: x.transpose(0, 2), ValueError, "dim1 must be an axis of the input, from -2 to 1, but got 2"),
    (lambda x: x.movedim(0, (0, 1)), ValueError, r"as many destinations as sources, but got 0 and \(0, 1\)"),
    (lambda x: x.flip(2), ValueError, "dims must be an axis of the input"),
    (lambda x: sl.flip(x, None), TypeError, "dims must be an axis or a tuple of axes, but got None"),
    (lambda x: x.roll((1, 2), 0), ValueError, r"one shift for each of dims, but got shifts \(1, 2\) and dims 0"),
    (lambda x: x.roll((1, 2)), ValueError, r"one shift for each of dims, but got shifts \(1, 2\) and dims None"),
])  # fmt: skip
def test_wrong_axes(call, error, message):
    with pytest.raises(error, match=message):
        call(sl.Tensor(np.ones((2, 3))))
