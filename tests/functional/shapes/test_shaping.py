"""The same elements in other shapes."""

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
    for call in (
        lambda t: t.reshape(*new),
        lambda t: t.reshape(new),
        lambda t: t.reshape(list(new)),
        lambda t: t.view(*new),
        lambda t: sl.reshape(t, new),
    ):
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


@given(shape=st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple), data=st.data())
def test_unflatten_undoes_flatten(shape, data):
    start = data.draw(st.integers(0, len(shape) - 1))
    end = data.draw(st.integers(start, len(shape) - 1))
    x = np.random.default_rng(0).standard_normal(shape)
    sizes = list(shape[start : end + 1])
    if 0 not in sizes and data.draw(st.booleans()):
        sizes[data.draw(st.integers(0, len(sizes) - 1))] = -1
    flat = sl.flatten(x, start, end)
    for dim in (start, start - flat.ndim):
        np.testing.assert_array_equal(sl.unflatten(flat, dim, tuple(sizes)), x)


@given(shape=st.lists(st.integers(0, 2), max_size=4).map(tuple), data=st.data())
def test_squeeze_and_unsqueeze(shape, data):
    x = np.random.default_rng(0).standard_normal(shape)
    assert sl.squeeze(x).shape == tuple(n for n in shape if n != 1)
    for dim in range(len(shape)):
        kept = shape[:dim] + (() if shape[dim] == 1 else (shape[dim],)) + shape[dim + 1 :]
        assert sl.squeeze(x, dim).shape == sl.Tensor(x).squeeze(dim - len(shape)).shape == kept
    assert sl.squeeze(x, tuple(range(len(shape)))).shape == sl.squeeze(x).shape
    for place in range(len(shape) + 1):
        wider = (*shape[:place], 1, *shape[place:])
        for dim in (place, place - len(shape) - 1):
            result = sl.unsqueeze(x, dim)
            assert result.shape == wider
            assert result.ravel().tolist() == x.ravel().tolist()


@given(shape=st.lists(st.integers(0, 3), max_size=4).map(tuple), data=st.data())
def test_expanding(shape, data):
    lengths = [1 if data.draw(st.booleans()) else n for n in shape]
    lead = data.draw(st.integers(0, len(shape)))
    x = np.random.default_rng(0).standard_normal(lengths[lead:])
    wanted = tuple(
        -1 if i >= lead and n == lengths[i] and data.draw(st.booleans()) else n for i, n in enumerate(shape)
    )
    t = sl.Tensor(x)
    others = (t.expand(*wanted), t.expand(wanted), t.expand_as(sl.Tensor(np.ones(shape))))
    for result in (sl.broadcast_to(x, wanted), *(other.numpy() for other in others)):
        assert result.shape == shape
        assert np.shares_memory(result, x) or not result.size
        for index in itertools.product(*map(range, shape)):
            assert result[index] == x[tuple(i % n for i, n in zip(index[lead:], x.shape))]


def test_labels_change_shape_too():
    labels = sl.Tensor(np.arange(6))
    assert labels.reshape(2, 3).T.flatten()[1:].numpy().tolist() == [3, 1, 4, 2, 5]
    assert labels.reshape(2, 3).dtype == np.arange(6).dtype


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: x.reshape(4, 2), r"keep the number of elements, but \(2, 3\) has 6 and \(4, 2\) has 8"),
    (lambda x: x.reshape(-1, 4), r"\(2, 3\) has 6 and \(-1, 4\) cannot be filled with them"),
    (lambda x: x.unflatten(1, (2, 2)), r"sizes of unflatten must multiply to the axis, but \(2, 2\) do not make 3"),
    (lambda x: x.unflatten(1, (2, -1)), r"\(2, -1\) do not make 3"),
    (lambda x: x.unflatten(1, (-1, -1)), r"\(-1, -1\) do not make 3"),
    (lambda x: x.squeeze(2), "dim must be an axis of the input, from -2 to 1, but got 2"),
    (lambda x: x.unsqueeze(3), "from -3 to 2, but got 3"),
    (lambda x: x.expand(2, 4), r"Only axes of length 1 can be repeated, .* but \(2, 3\) cannot become \(2, 4\)"),
    (lambda x: x.expand(-1, 2, 3), r"cannot become \(-1, 2, 3\)"),
    (lambda x: x.expand(3), r"cannot become \(3,\)"),
])  # fmt: skip
def test_wrong_shapes(call, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        call(sl.Tensor(np.ones((2, 3))))
