"""Joining and repeating, against lists."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl

SHAPES = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)


@given(shape=SHAPES, data=st.data())
def test_cat(shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    rng, parts = np.random.default_rng(0), []
    for length in lengths:
        size = list(shape)
        size[dim] = length
        parts.append(rng.standard_normal(size))
    for result in (
        sl.cat(parts, dim),
        sl.concatenate(parts, dim),
        sl.cat([sl.Tensor(parts[0]), *parts[1:]], dim).numpy(),
    ):
        start = 0
        for part in parts:
            piece = np.moveaxis(result, dim, 0)[start : start + part.shape[dim]]
            assert piece.tolist() == np.moveaxis(part, dim, 0).tolist()
            start += part.shape[dim]
        assert result.shape[dim] == start


@given(shape=SHAPES, data=st.data())
def test_stack(shape, data):
    dim = data.draw(st.integers(-len(shape) - 1, len(shape)))
    parts = [np.random.default_rng(i).standard_normal(shape) for i in range(data.draw(st.integers(1, 3)))]
    result = sl.stack(parts, dim)
    assert result.ndim == len(shape) + 1
    for i, part in enumerate(parts):
        np.testing.assert_array_equal(np.moveaxis(result, dim, 0)[i], part)


@given(shape=SHAPES, data=st.data())
def test_tile(shape, data):
    dims = tuple(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    x = np.random.default_rng(0).standard_normal(shape)
    axes = max(len(shape), len(dims))
    times = (1,) * (axes - len(dims)) + dims
    lengths = (1,) * (axes - len(shape)) + shape
    for result in (sl.tile(x, dims), sl.Tensor(x).repeat(*dims).numpy(), sl.Tensor(x).tile(dims).numpy()):
        assert result.shape == tuple(n * m for n, m in zip(lengths, times))
        for index in itertools.product(*map(range, result.shape)):
            assert result[index] == x.reshape(lengths)[tuple(i % n for i, n in zip(index, lengths))]


def test_labels_join_and_their_dtype_stays():
    assert sl.cat([np.array([1, 2]), sl.Tensor(np.array([3]))]).tolist() == [1, 2, 3]
    assert sl.stack([np.array([True]), np.array([False])]).dtype == bool
    assert sl.cat([np.ones(2, np.float16)] * 2).dtype == np.float16


def test_memory_order_is_kept():
    x = np.moveaxis(np.ones((2, 5, 4, 3)), -1, 1)  # channels last in memory
    assert np.moveaxis(sl.cat([x, x], 1), 1, -1).flags.c_contiguous


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: sl.cat([]), ValueError, "cat needs at least one Tensor, but got none"),
    (lambda: sl.stack(()), ValueError, "stack needs at least one Tensor"),
    (lambda: sl.cat(sl.Tensor([1.0])), TypeError, r"got one Tensor; write cat\(\[a, b\]\)"),
    (lambda: sl.cat([np.ones((2, 3)), np.ones((3, 3))], 1), ValueError, r"dim 1 only, .* \(2, 3\), \(3, 3\)"),
    (lambda: sl.cat([np.ones(2), np.ones((2, 1))]), ValueError, "along dim 0 only"),
    (lambda: sl.cat([np.ones(2), np.ones(2, np.float32)]), TypeError, "one dtype, but they are float64, float32"),
    (lambda: sl.cat([1.0, 2.0]), ValueError, "dim must be an axis of the input, but this input has no axes"),
    (lambda: sl.stack([np.ones(2), np.ones(3)]), ValueError, r"arrays of one shape, but they are \(2,\), \(3,\)"),
    (lambda: sl.stack([np.ones(2)], 2), ValueError, "from -2 to 1, but got 2"),
    (lambda: sl.tile([1.0], -1), ValueError, "dims must be at least 0, but got -1"),
])  # fmt: skip
def test_wrong_calls(call, error, message):
    with pytest.raises(error, match=message):
        call()
