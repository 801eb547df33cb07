"""im2col against its definition, loop by loop, and col2im as its adjoint."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenloops.columns import col2im, im2col
from sevenloops.errors import ShapeError


@st.composite
def cases(draw):
    """An input's shape and parameters with which at least one window fits; no two sizes need be equal."""
    axes = draw(st.integers(1, 3))

    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, dilation, length = sizes(1, 3), sizes(1, 3), sizes(1, 3), sizes(1, 6)
    padding = tuple(
        (before, max(draw(st.integers(0, 4)), (k - 1) * d + 1 - size - before))
        for before, k, d, size in zip(sizes(0, 4), kernel, dilation, length, strict=True)
    )
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 3)), *length)
    return shape, kernel, {"stride": stride, "padding": padding, "dilation": dilation}


def matrix_places(shape, kernel, stride, padding, dilation):
    """Yield (row, column, index in x or None): rows over image and window, columns over channel and tap."""
    starts = [
        [
            start
            for start in range(-before, size + after, s)
            if all(start + tap * d < size + after for tap in range(k))
        ]
        for size, k, s, (before, after), d in zip(shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    for row, (image, *window) in enumerate(product(range(shape[0]), *starts)):
        for column, (channel, *tap) in enumerate(product(range(shape[1]), *map(range, kernel))):
            place = tuple(start + u * d for start, u, d in zip(window, tap, dilation, strict=True))
            inside = all(0 <= p < size for p, size in zip(place, shape[2:], strict=True))
            yield row, column, (image, channel, *place) if inside else None


def in_memory(array, order):
    """The same numbers with other strides."""
    if order == "reversed":
        return array[::-1, ..., ::-1].copy()[::-1, ..., ::-1]
    if order == "channels-last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    if order == "sliced":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]))
        wide[..., ::2] = array
        return wide[..., ::2]
    return array.copy(order=order)


ORDERS = st.sampled_from(["C", "F", "reversed", "channels-last", "sliced"])


@settings(max_examples=300)
@given(cases(), ORDERS, st.integers(0, 2**32))
def test_im2col_is_its_definition(case, order, seed):
    shape, kernel, parameters = case
    x = in_memory(np.random.default_rng(seed).standard_normal(shape), order)
    x.flags.writeable = False
    before = x.copy()
    cols = im2col(x, kernel, **parameters)
    rows = 0
    for row, column, index in matrix_places(shape, kernel, **parameters):
        assert cols[row, column] == (0 if index is None else x[index])
        rows = row + 1
    assert cols.shape == (rows, shape[1] * int(np.prod(kernel)))
    assert cols.flags.c_contiguous
    assert cols.flags.writeable
    assert not np.shares_memory(cols, x)
    np.testing.assert_array_equal(x, before)


@settings(max_examples=300)
@given(cases(), st.sampled_from(["C", "F", "reversed", "sliced"]), st.integers(0, 2**32))
def test_col2im_adds_up_what_im2col_copied(case, order, seed):
    shape, kernel, parameters = case
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    cols = im2col(x, kernel, **parameters)
    grad = in_memory(rng.standard_normal(cols.shape), order)
    grad.flags.writeable = False
    before = grad.copy()
    result = col2im(grad, shape, kernel, **parameters)

    expected = np.zeros(shape)
    for row, column, index in matrix_places(shape, kernel, **parameters):
        if index is not None:
            expected[index] += grad[row, column]
    np.testing.assert_allclose(result, expected, rtol=1e-13, atol=1e-13)
    # <im2col(x), grad> = <x, col2im(grad)>
    left, right = np.vdot(cols, grad), np.vdot(x, result)
    assert abs(left - right) <= 1e-12 * np.linalg.norm(cols) * np.linalg.norm(grad)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(grad, before)


def test_one_product_with_the_flattened_weight_is_a_convolution():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((4, 3, 2, 3))
    y = (im2col(x, (2, 3)) @ weight.reshape(4, -1).T).reshape(2, 4, 4, 4)  # (N, Ho, Wo, O)
    assert y[1, 2, 3, 0] == pytest.approx((x[1, :, 2:4, 3:6] * weight[0]).sum())


def test_sums_along_channels_and_along_rows_agree():
    """Many channels are added up in another memory order than few."""
    rng = np.random.default_rng(0)
    parameters = {"stride": (2, 1), "padding": ((1, 2), (0, 3))}
    grad = rng.standard_normal(im2col(np.zeros((2, 40, 7, 5)), 3, **parameters).shape)
    whole = col2im(grad, (2, 40, 7, 5), 3, **parameters)
    channels = [col2im(grad[:, 9 * c : 9 * c + 9], (2, 1, 7, 5), 3, **parameters) for c in range(40)]
    np.testing.assert_array_equal(whole, np.concatenate(channels, axis=1))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_same_padding_gives_a_row_per_stride_with_the_odd_zero_at_the_end(kernel, stride):
    x = np.ones((1, 1, 7))
    cols = im2col(x, kernel, stride=stride, padding="same")
    assert len(cols) == -(-7 // stride)
    first, last = np.count_nonzero(cols[0] == 0), np.count_nonzero(cols[-1] == 0)
    assert first <= last <= first + 1


def test_padding_in_each_of_its_forms():
    x = np.random.default_rng(0).standard_normal((2, 2, 4, 5))
    np.testing.assert_array_equal(im2col(x, 3, padding="valid"), im2col(x, 3))
    np.testing.assert_array_equal(im2col(x, 3, padding=1), im2col(x, (3, 3), padding=((1, 1), (1, 1))))
    np.testing.assert_array_equal(im2col(x, 3, padding=(0, 2)), im2col(x, 3, padding=(0, (2, 2))))
    assert im2col(x, 3, padding=((0, 1), (2, 0))).shape == (2 * 3 * 5, 18)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint8, np.complex64, ">f4"])
def test_the_dtype_is_kept_in_native_byte_order(dtype):
    x = np.arange(12).reshape(1, 1, 3, 4).astype(dtype)
    native = np.dtype(dtype).newbyteorder("=")
    cols = im2col(x, 2)
    assert cols.dtype == native
    assert cols[0].tolist() == [0, 1, 4, 5]
    back = col2im(cols.astype(dtype), x.shape, 2)
    assert back.dtype == native
    assert back[0, 0, 1].tolist() == [2 * 4, 4 * 5, 4 * 6, 2 * 7]


def test_half_precision_sums_are_rounded_once():
    cols = np.random.default_rng(0).standard_normal((8 * 8, 7 * 7)).astype(np.float16)
    exact = col2im(cols.astype(np.float64), (1, 1, 14, 14), 7)
    np.testing.assert_array_equal(
        col2im(cols, (1, 1, 14, 14), 7), exact.astype(np.float32).astype(np.float16), strict=True
    )


def test_lists_are_taken():
    assert im2col([[[1, 2, 3]]], 2).tolist() == [[1, 2], [2, 3]]
    assert col2im([[1, 1], [1, 1]], [1, 1, 3], [2]).tolist() == [[[1, 2, 1]]]


IMAGE = np.zeros((1, 2, 4, 5))


@pytest.mark.parametrize(
    ("x", "kernel", "parameters", "error", "message"),
    [
        (np.zeros((4, 5)), 2, {}, ShapeError, r"x must have a batch axis.*\(4, 5\)"),
        (np.zeros((1,) * 6), 1, {}, ShapeError, "one to three spatial axes"),
        (IMAGE, (2, 2, 2), {}, ShapeError, "kernel_size must be one integer or one per spatial axis"),
        (IMAGE, 0, {}, ShapeError, "kernel_size must be at least 1"),
        (IMAGE, 5, {}, ShapeError, "kernel must fit"),
        (IMAGE, 2, {"stride": 0}, ShapeError, "stride must be at least 1"),
        (IMAGE, 2, {"padding": -1}, ShapeError, "padding must be at least 0"),
        (IMAGE, 2, {"padding": "full"}, ShapeError, "full"),
        (IMAGE, 2, {"dilation": 1.5}, TypeError, "dilation must be an integer"),
        (IMAGE[:, :0], 2, {}, ShapeError, "at least one element"),
        (IMAGE.astype(bool), 2, {}, TypeError, "x must be an array of numbers, but its dtype is bool"),
        (IMAGE.astype(object), 2, {}, TypeError, "dtype is object"),
    ],
)
def test_im2col_says_what_is_wrong(x, kernel, parameters, error, message):
    with pytest.raises(error, match=message):
        im2col(x, kernel, **parameters)


@pytest.mark.parametrize(
    ("shape", "input_size", "error", "message"),
    [
        ((12, 8), (4, 5), ShapeError, "input_size must have a batch axis"),
        ((12, 8), 20, TypeError, "input_size must be a shape"),
        ((12, 8), (1, 2, 4.0, 5), TypeError, r"input_size\[2\] must be an integer"),
        ((12, 8), (1, 2, -4, 5), ShapeError, r"input_size\[2\] must be at least 0"),
        ((8, 12), (1, 2, 4, 5), ShapeError, r"\(12, 8\) for input_size \(1, 2, 4, 5\), but its shape is \(8, 12\)"),
        ((3, 4, 8), (1, 2, 4, 5), ShapeError, r"its shape is \(3, 4, 8\)"),
    ],
)
def test_col2im_says_what_is_wrong(shape, input_size, error, message):
    with pytest.raises(error, match=message):
        col2im(np.zeros(shape), input_size, 2)


def test_col2im_takes_numbers_only():
    with pytest.raises(TypeError, match="cols must be an array of numbers"):
        col2im(np.zeros((12, 8), bool), (1, 2, 4, 5), 2)
