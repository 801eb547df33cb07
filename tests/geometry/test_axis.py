from hypothesis import given
from hypothesis import strategies as st

from sevenloops.geometry.axis import effective_kernel, output_length, same_padding, tap_range

lengths = st.integers(1, 30)
kernels = st.integers(1, 7)
strides = st.integers(1, 6)
dilations = st.integers(1, 4)
pads = st.tuples(st.integers(0, 8), st.integers(0, 8))


@given(kernels, dilations)
def test_effective_kernel_is_the_distance_from_first_to_last_tap(kernel, dilation):
    taps = [u * dilation for u in range(kernel)]
    assert effective_kernel(kernel, dilation) == len(range(taps[0], taps[-1] + 1))


@given(lengths, kernels, strides, pads, dilations)
def test_windows_lie_inside_the_padded_axis_and_no_further_one_does(length, kernel, stride, pad, dilation):
    before, after = pad
    inside = set(range(-before, length + after))
    fits = [i for i in range(length + 20) if all(i * stride - before + u * dilation in inside for u in range(kernel))]
    out = output_length(length, kernel, stride, pad, dilation)
    assert max(out, 0) == len(fits)
    assert fits == list(range(len(fits)))


@given(lengths, kernels, strides, pads, dilations)
def test_ceil_mode_keeps_a_window_that_starts_inside_and_covers_a_position_left_over(
    length, kernel, stride, pad, dilation
):
    covers = len(range(0, (kernel - 1) * dilation + 1))
    before, after = (min(side, covers - 1) for side in pad)  # pooling's rule, without which ceil_mode means nothing
    kept = []
    for i in range(length + 20):
        start, previous_end = i * stride - before, (i - 1) * stride - before + covers
        if start < length and previous_end < length + after:
            kept.append(i)
    out = output_length(length, kernel, stride, (before, after), dilation, ceil_mode=True)
    assert max(out, 0) == len(kept)
    assert kept == list(range(len(kept)))


def test_ceil_mode_drops_a_window_that_starts_in_the_padding_behind():
    # Windows of 2 at stride 3 over 1 + 4 + 1 positions start at -1 and 2; one at 5 would start in the padding.
    assert output_length(4, 2, 3, (1, 1), 1, ceil_mode=True) == 2
    assert output_length(5, 2, 3, (1, 1), 1, ceil_mode=True) == 2
    assert output_length(6, 2, 3, (0, 1), 1, ceil_mode=True) == 2
    assert output_length(7, 2, 3, (0, 0), 1, ceil_mode=True) == 3


@given(lengths, kernels, strides, dilations)
def test_same_padding_makes_ceil_length_over_stride_windows(length, kernel, stride, dilation):
    before, after = same_padding(length, kernel, stride, dilation)
    out = output_length(length, kernel, stride, (before, after), dilation)
    assert (out - 1) * stride < length <= out * stride
    assert 0 <= after - before <= 1, "the odd pixel is at the end"
    if before + after:  # and no more than needed: one less would lose a window
        assert output_length(length, kernel, stride, (before, after - 1), dilation) < out


@given(lengths, st.integers(0, 12), strides, st.integers(-40, 40))
def test_tap_range_lists_the_windows_whose_tap_is_inside(length, out, stride, offset):
    first, stop = tap_range(length, out, stride, offset)
    assert list(range(first, stop)) == [i for i in range(out) if 0 <= i * stride + offset < length]
