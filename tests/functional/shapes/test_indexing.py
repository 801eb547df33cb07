"""Indexing and pieces of axes, against the numbers of the elements."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl

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


def test_wrong_indices_are_numpys_errors():
    with pytest.raises(IndexError):
        sl.Tensor(np.ones((2, 3)))[2]


@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple), data=st.data())
def test_pieces_of_an_axis(shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = np.random.default_rng(0).standard_normal(shape)
    n, moved = shape[dim], np.moveaxis(x, dim, 0)

    def assert_pieces(pieces, sizes):
        assert [piece.shape[dim] for piece in pieces] == sizes
        start = 0
        for piece, size in zip(pieces, sizes):
            assert np.moveaxis(piece, dim, 0).tolist() == moved[start : start + size].tolist()
            start += size

    size = data.draw(st.integers(1, 6))
    assert_pieces(sl.split(x, size, dim), [min(size, n - i) for i in range(0, n, size)] or [0])
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=3)))
    sizes = [after - before for before, after in zip([0, *cuts], [*cuts, n])]
    assert_pieces([p.numpy() for p in sl.Tensor(x).split(sizes, dim)], sizes)
    chunks = data.draw(st.integers(1, 6))
    each = -(-n // chunks)
    assert_pieces(sl.chunk(x, chunks, dim), [min(each, n - i) for i in range(0, n, each)] if n else [0] * chunks)
    slices = sl.unbind(x, dim)
    assert [s.tolist() for s in slices] == moved.tolist()
    assert all(np.shares_memory(s, x) for s in slices if s.size)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: x.split([1, 1]), r"sizes of split must add up to the axis, but \[1, 1\] do not add up to 3"),
    (lambda x: x.split(0), "split_size_or_sections must be at least 1, but got 0"),
    (lambda x: x.split([4, -1]), "split_size_or_sections must be at least 0, but got -1"),
    (lambda x: x.chunk(0), "chunks must be at least 1, but got 0"),
    (lambda x: x.unbind(1), "dim must be an axis of the input, from -1 to 0, but got 1"),
    (lambda x: x[0].unbind(), "this input has no axes"),
])  # fmt: skip
def test_wrong_pieces(call, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        call(sl.Tensor(np.ones(3)))


@pytest.mark.parametrize("index", [[0, 2], np.array([0, 2]), sl.Tensor([0, 2]), np.array([True, False, True])])
def test_an_index_may_be_changed_before_the_pass_back(index):
    x = sl.Tensor(np.ones(3), requires_grad=True)
    y = x[index]
    values = index.data if isinstance(index, sl.Tensor) else index
    values[0], values[1] = 1, 1
    y.backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [1, 0, 10]
