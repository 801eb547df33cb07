"""Max unpooling, against its definition; gradients are in gradient_cases too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from tests.helpers.cases import MEMORIES, arranged, snapshot

FUNCTIONS = {1: sl.max_unpool1d, 2: sl.max_unpool2d, 3: sl.max_unpool3d}
POOLS = {1: sl.max_pool1d, 2: sl.max_pool2d, 3: sl.max_pool3d}


def by_definition(x, indices, size):
    y = np.zeros((*x.shape[:2], int(np.prod(size))))
    stayed = {}
    for n, c, *where in np.ndindex(x.shape):
        place = indices[(n, c, *where)]
        if place >= 0:
            y[n, c, place] = x[(n, c, *where)]
            stayed[n, c, place] = (n, c, *where)
    return y.reshape(*x.shape[:2], *size), stayed


@settings(max_examples=60)
@given(
    axes=st.integers(1, 3),
    data=st.data(),
    memory=st.sampled_from(MEMORIES),
    seed=st.integers(0, 2**32 - 1),
    repeats=st.booleans(),
)
def test_values_and_gradients(axes, data, memory, seed, repeats):
    def lengths(low, high):
        return tuple(data.draw(st.integers(low, high)) for _ in range(axes))

    rng = np.random.default_rng(seed)
    shape, kernel, stride = (
        (data.draw(st.integers(0, 3)), data.draw(st.integers(1, 3)), *lengths(1, 4)),
        *(lengths(1, 3) for _ in range(2)),
    )
    size = tuple((n - 1) * s + k for n, s, k in zip(shape[2:], stride, kernel))
    plane, count = int(np.prod(size)), int(np.prod(shape[2:]))
    if repeats or plane < count:
        indices = rng.integers(-1, plane, shape)
    else:
        indices = np.stack([rng.permutation(plane)[:count] for _ in range(max(1, shape[0] * shape[1]))])
        indices = indices[: shape[0] * shape[1]].reshape(shape)
    x, g = arranged(rng.standard_normal(shape), memory), arranged(rng.standard_normal((*shape[:2], *size)), memory)
    before = snapshot(x, indices)
    expected, stayed = by_definition(x, indices, size)
    tensor = sl.Tensor(x, requires_grad=True)
    y = FUNCTIONS[axes](tensor, indices, kernel, stride)
    y.backward(g.astype(np.float64))
    np.testing.assert_array_equal(y.numpy(), expected)
    dx = np.zeros(shape)
    for (n, c, place), where in stayed.items():
        dx[where] = g[n, c].reshape(-1)[place]
    np.testing.assert_array_equal(tensor.grad, dx)
    assert snapshot(x, indices) == before


@pytest.mark.parametrize("memory", ["contiguous", "channels-last"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_inverse_of_pooling(axes, memory):
    rng = np.random.default_rng(0)
    shape = (2, 3, 7, 6, 5)[: axes + 2]
    x = arranged(rng.standard_normal(shape) + 5, memory)
    y, indices = POOLS[axes](x, 2, padding=(1,) * axes, return_indices=True)
    back = FUNCTIONS[axes](y, indices, 2, padding=1, output_size=shape)
    assert np.argsort(back.strides).tolist() == np.argsort(x.strides).tolist(), "another memory order"
    np.testing.assert_array_equal(np.where(back != 0, x, 0), back)
    assert np.count_nonzero(back) == y.size
    again, _ = POOLS[axes](back, 2, padding=(1,) * axes, return_indices=True)
    np.testing.assert_array_equal(again, y)


def test_layouts_and_a_missing_batch_axis():
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 4))
    y, indices = sl.max_pool2d(x, 2, return_indices=True)
    expected = sl.max_unpool2d(y, indices, 2)
    last = [np.moveaxis(a, 1, -1) for a in (y, indices)]
    for options in ({}, {"output_size": (2, 6, 4, 3)}, {"output_size": (6, 4)}):
        result = sl.max_unpool2d(*last, 2, layout="NHWC", **options)
        np.testing.assert_array_equal(np.moveaxis(result, -1, 1), expected)
    np.testing.assert_array_equal(sl.max_unpool2d(y[1], indices[1], 2, output_size=(3, 6, 4)), expected[1])


def test_windows_that_overlap():
    x = np.random.default_rng(0).standard_normal((1, 2, 9))
    y, indices = sl.max_pool1d(x, 3, 1, return_indices=True)
    expected, _ = by_definition(y, indices, (9,))
    np.testing.assert_array_equal(sl.max_unpool1d(y, indices, 3, 1), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_dtypes(dtype, kind):
    y = sl.max_unpool1d(np.ones((1, 1, 2), dtype), np.array([[[3, 0]]], kind), 2)
    assert y.dtype == dtype
    assert y.tolist() == [[[1, 0, 0, 1]]]


def test_the_caller_may_write_to_the_indices_before_backward():
    x, indices = sl.Tensor(np.ones((1, 1, 2)), requires_grad=True), np.array([[[3, 0]]])
    y = sl.max_unpool1d(x, indices, 2)
    indices[...] = 10**9
    y.backward(np.array([[[1.0, 2.0, 3.0, 4.0]]]))
    assert x.grad.tolist() == [[[4, 1]]]


X, INDICES = np.ones((1, 1, 2)), np.array([[[3, 0]]])


@pytest.mark.parametrize(("arguments", "options", "message"), [
    ((X, INDICES + 1, 2), {}, r"positions in a plane of 4 elements .* from 1 to 4"),
    ((X, INDICES - 2, 2), {}, r"from -2 to 1"),
    ((X, INDICES[:, :, :1], 2), {}, r"shape of the input, \(1, 1, 2\), but theirs is \(1, 1, 1\)"),
    ((X, INDICES, 2), {"output_size": (6,)}, r"differ from \(4,\) by less than the stride \(2,\), but got \(6,\)"),
    ((X, INDICES, 2), {"output_size": (2,)}, "by less than the stride"),
    ((X, INDICES, 2), {"output_size": (1, 4)}, "1 lengths or a shape of 3"),
    ((X, INDICES, 2), {"padding": 5}, "at least 0"),
    ((X[0, 0], INDICES[0, 0], 2), {}, "3 axes"),
])  # fmt: skip
def test_wrong_sizes(arguments, options, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        sl.max_unpool1d(*arguments, **options)


def test_wrong_types():
    with pytest.raises(TypeError, match="indices must be integers"):
        sl.max_unpool1d(X, X, 2)
    with pytest.raises(TypeError, match="int64"):
        sl.max_unpool1d(INDICES, INDICES, 2)
