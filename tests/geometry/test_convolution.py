from dataclasses import FrozenInstanceError
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sevenloops.errors import ShapeError
from sevenloops.geometry import ConvGeometry

AXES = st.integers(1, 3)


def several(axes, entries):
    return st.tuples(*[entries] * axes)


@st.composite
def windows(draw, allow_same=True):
    """Sizes and parameters of one call; nothing says that a window fits."""
    axes = draw(AXES)
    groups = draw(st.integers(1, 3))
    pad = st.one_of(st.integers(0, 9), st.tuples(st.integers(0, 9), st.integers(0, 9)))
    choices = [st.integers(0, 9), several(axes, pad), st.just("valid")]
    return {
        "batch": draw(st.integers(0, 3)),
        "groups": groups,
        "in": groups * draw(st.integers(1, 3)),
        "out": groups * draw(st.integers(1, 3)),
        "size": draw(several(axes, st.integers(1, 12))),
        "kernel": draw(several(axes, st.integers(1, 4))),
        "stride": draw(st.one_of(st.integers(1, 4), several(axes, st.integers(1, 4)))),
        "dilation": draw(st.one_of(st.integers(1, 3), several(axes, st.integers(1, 3)))),
        "padding": draw(st.one_of(*choices, *[st.just("same")] * allow_same)),
    }


def parameters(case, *names):
    return {name: case[name] for name in ("stride", "padding", "dilation", "groups", *names)}


def per_axis(value, axes):
    return value if isinstance(value, tuple) else (value,) * axes


def tap_positions(i, stride, before, kernel, dilation):
    return [i * stride - before + u * dilation for u in range(kernel)]


def windows_that_fit(length, stride, pad, kernel, dilation):
    """Count by definition: window 0, 1, … as long as every tap lies inside the padded axis."""
    count, padded = 0, range(-pad[0], length + pad[1])
    while all(position in padded for position in tap_positions(count, stride, pad[0], kernel, dilation)):
        count += 1
    return count


def forward(case):
    x_shape = (case["batch"], case["in"], *case["size"])
    weight_shape = (case["out"], case["in"] // case["groups"], *case["kernel"])
    return ConvGeometry.forward(x_shape, weight_shape, **parameters(case))


@given(windows())
def test_every_window_fits_and_one_more_does_not(case):
    axes = len(case["size"])
    strides, dilations = per_axis(case["stride"], axes), per_axis(case["dilation"], axes)
    try:
        geometry = forward(case)
    except ShapeError as error:
        if "must fit into the padded input" not in str(error):
            raise
        written = 0 if case["padding"] == "valid" else case["padding"]
        assert written != "same"
        pads = [per_axis(pad, 2) for pad in per_axis(written, axes)]
        counts = map(windows_that_fit, case["size"], strides, pads, case["kernel"], dilations)
        assert min(counts) == 0
        return
    assert geometry.x_shape == (case["batch"], case["in"], *case["size"])
    assert geometry.weight_shape == (case["out"], case["in"] // case["groups"], *case["kernel"])
    assert geometry.out_shape[:2] == (case["batch"], case["out"])
    assert geometry.axes == axes
    assert (geometry.stride, geometry.dilation) == (strides, dilations)
    counts = map(windows_that_fit, case["size"], strides, geometry.padding, case["kernel"], dilations)
    assert geometry.out_shape[2:] == geometry.output_size == tuple(counts)


@given(windows())
def test_derived_sizes(case):
    try:
        geometry = forward(case)
    except ShapeError:
        assume(False)
    touched = []
    for axis in range(geometry.axes):
        out, before = geometry.output_size[axis], geometry.padding[axis][0]
        last = tap_positions(
            out - 1, geometry.stride[axis], before, geometry.kernel_size[axis], geometry.dilation[axis]
        )
        assert geometry.span[axis] == last[-1] + before + 1
        assert geometry.effective_kernel[axis] == last[-1] - last[0] + 1
        touched.append((-before, last[-1]))
    assert geometry.is_padded == any(
        first < 0 or last >= length for (first, last), length in zip(touched, geometry.input_size)
    )
    assert geometry.is_pointwise == (set(geometry.kernel_size) == {1} and not geometry.is_padded)
    assert geometry.is_depthwise == (geometry.groups == geometry.in_channels == geometry.out_channels)
    assert geometry.group_in * geometry.groups == geometry.in_channels
    assert geometry.group_out * geometry.groups == geometry.out_channels
    multiplications = sum(
        1 for _ in range(geometry.groups) for _ in range(geometry.group_out) for _ in range(geometry.group_in)
    )
    assert geometry.flops == 2 * geometry.batch * geometry.pixels * geometry.taps * multiplications
    assert (geometry.pixels, geometry.taps) == (prod(geometry.output_size), prod(geometry.kernel_size))


@given(windows())
def test_same_gives_ceil_of_input_over_stride(case):
    geometry = forward({**case, "padding": "same"})
    for length, s, out, (before, after) in zip(
        geometry.input_size, geometry.stride, geometry.output_size, geometry.padding
    ):
        assert (out - 1) * s < length <= out * s
        assert 0 <= after - before <= 1


def test_same_padding_is_worked_out_from_the_spatial_axes_only():
    geometry = ConvGeometry.forward((7, 5, 4, 6), (2, 5, 3, 3), padding="same")
    assert geometry.output_size == (4, 6)
    assert geometry.padding == ((1, 1), (1, 1))


@given(windows())
def test_gradients_share_the_geometry_of_the_forward_pass(case):
    try:
        geometry = forward(case)
    except ShapeError:
        assume(False)
    same = parameters(case)
    assert (
        ConvGeometry.from_input_grad(geometry.out_shape, geometry.weight_shape, geometry.x_shape, **same) == geometry
    )
    assert (
        ConvGeometry.from_weight_grad(geometry.out_shape, geometry.x_shape, geometry.kernel_size, **same) == geometry
    )
    wrong = (*geometry.out_shape[:-1], geometry.out_shape[-1] + 1)
    with pytest.raises(ShapeError, match="grad_output must have the shape of the convolution's output"):
        ConvGeometry.from_input_grad(wrong, geometry.weight_shape, geometry.x_shape, **same)
    with pytest.raises(ShapeError, match="grad_output must have the shape of the convolution's output"):
        ConvGeometry.from_weight_grad(wrong, geometry.x_shape, geometry.kernel_size, **same)


@given(windows(allow_same=False), st.data())
def test_a_transposed_convolution_is_the_convolution_from_its_result_to_its_input(case, data):
    axes = len(case["size"])
    strides, dilations = per_axis(case["stride"], axes), per_axis(case["dilation"], axes)
    extra = tuple(data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations))
    x_shape = (case["batch"], case["in"], *case["size"])
    weight_shape = (case["in"], case["out"] // case["groups"], *case["kernel"])
    try:
        geometry = ConvGeometry.transposed(x_shape, weight_shape, output_padding=extra, **parameters(case))
    except ShapeError as error:
        if "result must not be empty" not in str(error):
            raise
        return
    assert geometry.out_shape == x_shape
    assert geometry.weight_shape == weight_shape
    assert geometry.x_shape[:2] == (case["batch"], case["out"])
    for axis in range(axes):
        stride, dilation, pad = strides[axis], dilations[axis], geometry.padding[axis]
        kernel, count = case["kernel"][axis], case["size"][axis]
        smallest = geometry.input_size[axis] - extra[axis]
        # Without output_padding the result ends where the last window does, so it holds no window more; with one
        # less than the stride the convolution back still makes as many windows.
        last = tap_positions(count - 1, stride, pad[0], kernel, dilation)[-1]
        assert last == smallest + pad[1] - 1
        if extra[axis] < stride:
            assert windows_that_fit(geometry.input_size[axis], stride, pad, kernel, dilation) == count


@pytest.mark.parametrize("extra", [2, (0, 2), (3, 0)])
def test_output_padding_is_less_than_stride_or_dilation(extra):
    with pytest.raises(ShapeError, match="output_padding must be less than the stride or the dilation"):
        ConvGeometry.transposed((1, 1, 4, 4), (1, 1, 3, 3), stride=2, output_padding=extra)
    allowed = ConvGeometry.transposed((1, 1, 4, 4), (1, 1, 3, 3), stride=2, dilation=4, output_padding=extra)
    plain = ConvGeometry.transposed((1, 1, 4, 4), (1, 1, 3, 3), stride=2, dilation=4)
    per_spatial = per_axis(extra, 2)
    assert allowed.input_size == tuple(size + e for size, e in zip(plain.input_size, per_spatial))


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "given_parameters", "message"),
    [
        ((1, 4, 5, 5), (2, 3, 3, 3), {}, r"3 · 1 = 3 and the input has 4"),
        ((1, 4, 5, 5), (2, 4, 3, 3), {"groups": 3}, "3 does not divide 4"),
        ((1, 4, 5, 5), (3, 2, 3, 3), {"groups": 2}, "2 does not divide 3"),
        ((1, 4, 5, 5), (2, 4, 3, 3), {"groups": 0}, "groups must be at least 1, but got 0"),
        ((1, 4, 5, 5), (2, 4, 3, 3), {"stride": 0}, "stride must be at least 1, but got 0"),
        ((1, 4, 5, 5), (2, 4, 3, 3), {"dilation": (1, 0)}, r"dilation\[1\] must be at least 1, but got 0"),
        ((1, 4, 5, 2), (2, 4, 3, 3), {}, "on spatial axis 1 it covers 3 positions"),
        ((1, 4, 6, 9), (2, 4, 3, 3), {"dilation": 3}, "on spatial axis 0 it covers 7 positions"),
        ((1, 4, 0, 5), (2, 4, 3, 3), {"padding": 4}, "at least one element"),
        ((1, 0, 5, 5), (2, 0, 3, 3), {}, "at least one element"),
        ((1, 4, 5, 5), (2, 4, 0, 3), {}, "one element per kernel axis"),
        ((1, 4, 5, 5), (0, 4, 3, 3), {}, "at least one output channel"),
    ],
)
def test_contradictions_are_refused_with_both_values(x_shape, weight_shape, given_parameters, message):
    with pytest.raises(ShapeError, match=message):
        ConvGeometry.forward(x_shape, weight_shape, **given_parameters)


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "given_parameters", "message"),
    [
        ((1, 4, 5, 5), (3, 2, 3, 3), {}, "the weight has 3 and the input 4"),
        ((1, 4, 5, 5), (4, 2, 3, 3), {"groups": 3}, "3 does not divide 4"),
        ((1, 4, 1, 5), (4, 2, 2, 3), {"padding": (1, 0)}, "axis 0 would have .* = 0 positions"),
        ((1, 4, 5, 5), (4, 2, 3, 3), {"padding": "same"}, "\"valid\", but got 'same'"),
        ((1, 4, 5, 5), (4, 0, 3, 3), {}, "at least one output channel"),
    ],
)
def test_contradictions_of_a_transposed_convolution(x_shape, weight_shape, given_parameters, message):
    with pytest.raises(ShapeError, match=message):
        ConvGeometry.transposed(x_shape, weight_shape, **given_parameters)


def test_equal_calls_are_equal_and_hashable_and_frozen():
    one = ConvGeometry.forward((2, 3, 8, 7), (4, 3, 3, 2), stride=2, padding=(1, (0, 1)))
    two = ConvGeometry.forward((2, 3, 8, 7), (4, 3, 3, 2), stride=[2, 2], padding=[[1, 1], (0, 1)])
    assert one == two
    assert hash(one) == hash(two)
    with pytest.raises(FrozenInstanceError):
        one.batch = 3
