"""Reshape, flatten, permute, transpose and indexing: elements stay, only their places change."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients

SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)
SEEDS = st.integers(0, 2**32 - 1)


@given(shape=SHAPES, data=st.data())
def test_reshape_keeps_the_order(shape, data):
    x = np.random.default_rng(0).standard_normal(shape)
    factors = [n for n in shape if n > 1]
    new = tuple(data.draw(st.permutations(factors)))
    if new and data.draw(st.booleans()):
        new = (-1, *new[1:])
    for call in (lambda t: t.reshape(*new), lambda t: t.reshape(new), lambda t: t.reshape(list(new))):
        result = call(sl.Tensor(x)).numpy()
        assert result.ndim == len(new)
        assert result.ravel().tolist() == x.ravel().tolist()
    check_gradients(lambda x: x.reshape(new), x)
    check_gradients(lambda x: x.T.reshape(new), x)


@given(shape=st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), data=st.data())
def test_flatten(shape, data):
    start = data.draw(st.integers(0, len(shape) - 1))
    end = data.draw(st.integers(start, len(shape) - 1))
    x = np.random.default_rng(0).standard_normal(shape)
    count = 1
    for n in shape[start : end + 1]:
        count *= n
    expected = (*shape[:start], count, *shape[end + 1 :])
    for arguments in ((start, end), (start - len(shape), end - len(shape))):
        result = sl.flatten(x, *arguments)
        assert result.shape == expected
        assert result.ravel().tolist() == x.ravel().tolist()
        assert sl.Tensor(x).flatten(*arguments).shape == expected
    check_gradients(lambda x: x.flatten(start, end), x)


def test_flatten_gives_an_axis_to_what_has_none():
    assert sl.flatten(np.array(3.0)).tolist() == [3.0]
    with pytest.raises(sl.errors.ShapeError, match="start_dim must not come after end_dim, but they are 1 and 0"):
        sl.flatten(np.ones((2, 3)), 1, 0)
    with pytest.raises(sl.errors.ShapeError, match="end_dim must be an axis of the input, from -2 to 1, but got 2"):
        sl.flatten(np.ones((2, 3)), 0, 2)


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
    check_gradients(lambda x: x.permute(signed), x)


@given(shape=SHAPES, data=st.data())
def test_transpose_exchanges_two_axes(shape, data):
    first, second = (data.draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
    x = np.random.default_rng(0).standard_normal(shape)
    result = sl.Tensor(x).transpose(first, second).numpy()
    for index in itertools.product(*map(range, result.shape)):
        source = list(index)
        source[first], source[second] = source[second], source[first]
        assert result[index] == x[tuple(source)]
    check_gradients(lambda x: x.transpose(first, second), x)


def test_t_reverses_the_axes():
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    assert sl.Tensor(x).T.shape == (4, 3, 2)
    assert sl.Tensor(x).T.numpy()[3, 1, 0] == x[0, 1, 3]
    check_gradients(lambda x: x.T, x)


INDICES = [
    0,
    -1,
    slice(None, None, -2),
    (slice(1, None), Ellipsis, 2),
    (None, 1, slice(None), None),
    Ellipsis,
    (),
    [0, 0, 2],
    (slice(None), [1, 1]),
    ([0, 2, 0], [1, 1, 1]),
    ([0, 2, 0], slice(None), [1, 1, 1]),
    ((0, 0), 1),
    np.array([[0, 1], [1, 1]]),
    np.array([True, False, True]),
    np.arange(24).reshape(3, 2, 4) % 3 == 0,
    (slice(0, 0),),
    [],
    (2, 1, 3),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing_takes_what_numpy_takes(index):
    """The oracle labels the elements: the index is applied to their numbers, not to them."""
    x = np.random.default_rng(0).standard_normal((3, 2, 4))
    numbers = np.arange(24).reshape(x.shape)[index]
    result = sl.Tensor(x, requires_grad=True)[index]
    assert result.shape == np.shape(numbers)
    assert result.numpy().ravel().tolist() == [x.ravel()[n] for n in np.ravel(numbers)]
    g = np.random.default_rng(1).standard_normal(result.shape)
    t = sl.Tensor(x, requires_grad=True)
    t[index].backward(g)
    expected = np.zeros(24)
    for n, share in zip(np.ravel(numbers), g.ravel()):
        expected[n] += share
    np.testing.assert_allclose(t.grad.ravel(), expected, rtol=1e-14)


def test_tensors_as_indices_and_iteration():
    x = sl.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    rows, mask = sl.Tensor([2, 2]), sl.Tensor([True, False, True])
    assert x[rows].numpy().tolist() == [[4, 5], [4, 5]]
    assert x[rows, 1].numpy().tolist() == [5, 5]
    assert x[mask].numpy().tolist() == [[0, 1], [4, 5]]
    assert [row.numpy().tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]


def test_labels_change_shape_too():
    labels = sl.Tensor(np.arange(6))
    assert labels.reshape(2, 3).T.flatten()[1:].numpy().tolist() == [3, 1, 4, 2, 5]
    assert labels.reshape(2, 3).dtype == np.arange(6).dtype


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: x.reshape(4, 2), r"keep the number of elements, but \(2, 3\) has 6 and \(4, 2\) has 8"),
    (lambda x: x.reshape(-1, 4), r"\(2, 3\) has 6 and \(-1, 4\) cannot be filled with them"),
    (lambda x: x.permute(0), r"permute needs each axis once, but got \(0,\) for the shape \(2, 3\)"),
    (lambda x: x.permute(0, 0), "dims must not name an axis twice"),
    (lambda x: x.transpose(0, 2), "dim1 must be an axis of the input, from -2 to 1, but got 2"),
])  # fmt: skip
def test_wrong_shapes(call, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        call(sl.Tensor(np.ones((2, 3))))


def test_wrong_indices_are_numpys_errors():
    with pytest.raises(IndexError):
        sl.Tensor(np.ones((2, 3)))[2]
