"""What kernels build on, for geometries of every kind: padded inputs, their windows, and the way back."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.array_utils import byte_bounds

from sevenloops.geometry import ConvGeometry, PoolGeometry
from sevenloops.strides import crop, padded, window_view


@st.composite
def geometries(draw):
    """Geometries of convolutions, transposed ones and poolings, most of them with padding, stride and dilation."""
    axes = draw(st.integers(1, 3))

    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, dilation = sizes(1, 3), sizes(1, 3), sizes(1, 3)
    batch, channels, filters = draw(st.integers(0, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    covers = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    kind = draw(st.sampled_from(["convolution", "transposed", "pooling"]))
    if kind == "pooling":
        padding = tuple((draw(st.integers(0, c - 1)), draw(st.integers(0, c - 1))) for c in covers)
        length = tuple(
            draw(st.integers(max(1, cover - sum(pad)), 6 + cover)) for cover, pad in zip(covers, padding, strict=True)
        )
        return PoolGeometry.forward(
            (batch, channels, *length),
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=draw(st.booleans()),
        )
    if kind == "convolution":
        length, most = sizes(1, 6), draw(st.sampled_from([0, 5]))
        padding = tuple(
            (before, max(draw(st.integers(0, most)), cover - size - before))
            for before, cover, size in zip(sizes(0, most), covers, length, strict=True)
        )
        return ConvGeometry.forward(
            (batch, channels, *length),
            (filters, channels, *kernel),
            stride=stride,
            padding=draw(st.sampled_from([padding, "same"])),
            dilation=dilation,
        )
    length = sizes(1, 4)
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    padding = []
    for size, s, cover, more in zip(length, stride, covers, extra, strict=True):
        room = (size - 1) * s + cover + more - 1
        before = draw(st.integers(0, min(3, room)))
        padding.append((before, draw(st.integers(0, min(3, room - before)))))
    return ConvGeometry.transposed(
        (batch, filters, *length),
        (filters, channels, *kernel),
        stride=stride,
        padding=tuple(padding),
        output_padding=extra,
        dilation=dilation,
    )


def places(geometry):
    """Yield (window, tap, place) for every output position and kernel tap; places count from the input's first."""
    for window in product(*map(range, geometry.output_size)):
        for tap in product(*map(range, geometry.kernel_size)):
            yield (
                window,
                tap,
                tuple(
                    i * s + u * d - before
                    for i, s, u, d, (before, _) in zip(
                        window, geometry.stride, tap, geometry.dilation, geometry.padding, strict=True
                    )
                ),
            )


def is_inside(geometry, place):
    return all(0 <= p < length for p, length in zip(place, geometry.input_size, strict=True))


def lies_inside(view, base):
    """Whether no byte that the view can reach lies outside the base."""
    (first, last), (low, high) = byte_bounds(view), byte_bounds(base)
    return view.size == 0 or (low <= first and last <= high)


def arbitrary(shape, rng, channels_last):
    """Numbers in the memory order asked for, reversed along the last axis."""
    if channels_last:
        return np.moveaxis(rng.standard_normal((shape[0], *shape[2:], shape[1])), -1, 1)[..., ::-1]
    return rng.standard_normal(shape)[..., ::-1]


@settings(max_examples=300)
@given(geometries(), st.booleans(), st.booleans(), st.sampled_from([0.0, 1.0, -np.inf]), st.integers(0, 2**32))
def test_windows_of_the_padded_input_are_those_of_the_definition(geometry, x_last, channels_last, fill, seed):
    x = arbitrary(geometry.x_shape, np.random.default_rng(seed), x_last)
    x.flags.writeable = False
    wide = padded(x, geometry, channels_last, fill)
    view = window_view(wide, geometry)
    assert view.shape == (*geometry.x_shape[:2], *geometry.output_size, *geometry.kernel_size)
    assert view.dtype == x.dtype
    assert not view.flags.writeable
    reaches_outside = False
    for window, tap, place in places(geometry):
        inside = is_inside(geometry, place)
        reaches_outside |= not inside
        expected = x[(..., *place)] if inside else np.full(x.shape[:2], fill)
        np.testing.assert_array_equal(view[(slice(None), slice(None), *window, *tap)], expected)
    assert lies_inside(view, wide)
    if x.size:
        assert np.shares_memory(wide, x) == (not reaches_outside)
    if reaches_outside:
        ordered = np.moveaxis(wide, 1, -1) if channels_last else wide
        assert ordered.flags.c_contiguous
    else:
        assert lies_inside(view, x)
    # The last window ends where the padded input does.
    last = tuple(max(place[axis] for _, _, place in places(geometry)) for axis in range(geometry.axes))
    assert wide.shape[2:] == tuple(p + before + 1 for p, (before, _) in zip(last, geometry.padding, strict=True))


@settings(max_examples=300)
@given(geometries(), st.booleans(), st.booleans(), st.integers(0, 2**32))
def test_crop_writes_the_inputs_part_and_zero_elsewhere(geometry, grad_last, out_last, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(geometry.x_shape)
    shape = padded(x, geometry, False).shape
    grad = arbitrary(shape, rng, grad_last)
    out = arbitrary(geometry.x_shape, rng, out_last)
    out[...] = np.nan
    crop(grad, out, geometry)
    for place in product(*map(range, geometry.input_size)):
        where = tuple(p + before for p, (before, _) in zip(place, geometry.padding, strict=True))
        reached = all(w < span for w, span in zip(where, shape[2:], strict=True))
        expected = grad[(..., *where)] if reached else np.zeros(shape[:2])
        np.testing.assert_array_equal(out[(..., *place)], expected)
    # <padded(x), grad> = <x, crop(grad)>
    left, right = np.vdot(padded(x, geometry, False), grad), np.vdot(x, out)
    assert abs(left - right) <= 1e-12 * np.linalg.norm(x) * np.linalg.norm(grad)


def test_a_part_of_the_images_and_channels_can_be_padded():
    geometry = ConvGeometry.forward((4, 6, 3, 5), (2, 6, 3, 3), padding=1)
    x = np.random.default_rng(0).standard_normal((4, 6, 3, 5))
    whole = padded(x, geometry, False)
    np.testing.assert_array_equal(padded(x[1:3, 2:5], geometry, True), whole[1:3, 2:5])
    assert window_view(whole[1:3, 2:5], geometry).shape == (2, 3, 3, 5, 3, 3)


def test_padding_that_no_window_reaches_costs_no_copy():
    geometry = ConvGeometry.forward((1, 1, 5, 5), (1, 1, 2, 2), stride=3, padding=((0, 2), (0, 0)))
    x = np.zeros((1, 1, 5, 5))
    assert padded(x, geometry, False).base is x
    assert padded(x, geometry, True).shape == (1, 1, 5, 5)


def test_a_span_that_ends_before_the_input_begins_is_all_padding():
    geometry = ConvGeometry.forward((1, 1, 4), (1, 1, 1), stride=9, padding=((3, 0),))
    x = np.ones((1, 1, 4))
    assert padded(x, geometry, False).tolist() == [[[0]]]
    out = np.ones((1, 1, 4))
    crop(np.ones((1, 1, 1)), out, geometry)
    assert not out.any()


def test_a_stride_that_is_never_taken_does_not_overflow_a_view():
    geometry = ConvGeometry.forward((1, 1, 2), (1, 1, 2), stride=10**30)
    assert window_view(np.zeros((1, 1, 2)), geometry).shape == (1, 1, 1, 2)
