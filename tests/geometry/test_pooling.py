from dataclasses import FrozenInstanceError
from itertools import pairwise
from math import ceil, floor, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.errors import ShapeError
from sevenloops.geometry import AdaptiveGeometry, PoolGeometry


def several(axes, entries):
    return st.tuples(*[entries] * axes)


@st.composite
def cases(draw):
    axes = draw(st.integers(1, 3))
    kernel = draw(several(axes, st.integers(1, 4)))
    dilation = draw(several(axes, st.integers(1, 3)))
    sides = [st.integers(0, len(range(0, (k - 1) * d + 1))) for k, d in zip(kernel, dilation)]  # one too many, too
    pads = st.tuples(*[st.one_of(side, st.tuples(side, side)) for side in sides])
    return (draw(st.integers(0, 2)), draw(st.integers(1, 2)), *draw(several(axes, st.integers(1, 9)))), {
        "kernel_size": kernel if len(set(kernel)) > 1 else kernel[0],
        "stride": draw(st.one_of(st.none(), st.integers(1, 5), several(axes, st.integers(1, 5)))),
        "padding": draw(st.one_of(sides[0], pads, st.sampled_from(["valid", "same"]))),
        "dilation": dilation if len(set(dilation)) > 1 else dilation[0],
        "ceil_mode": draw(st.booleans()),
    }


def built(case):
    """The geometry of a case, or None where padding or room forbid one."""
    x_shape, parameters = case
    try:
        return PoolGeometry.forward(x_shape, **parameters)
    except ShapeError as error:
        if "less than the effective kernel" in str(error) or "must fit into the padded input" in str(error):
            return None
        raise


def taps(geometry, axis, i):
    """The positions of window i's taps, by definition."""
    start = i * geometry.stride[axis] - geometry.padding[axis][0]
    return [start + u * geometry.dilation[axis] for u in range(geometry.kernel_size[axis])]


def keeps(geometry, axis, i):
    """Whether window i exists, by definition."""
    length, (_, after) = geometry.input_size[axis], geometry.padding[axis]
    positions = taps(geometry, axis, i)
    if positions[-1] < length + after:
        return True
    if not geometry.ceil_mode or positions[0] >= length:
        return False
    one_before = positions[-1] - geometry.stride[axis]
    return one_before < length + after - 1  # or nothing is left over for this window


@given(cases())
def test_the_windows_are_those_of_the_definition(case):
    geometry = built(case)
    x_shape, parameters = case
    if geometry is None:
        return
    assert geometry.x_shape == x_shape
    assert geometry.out_shape == (*x_shape[:2], *geometry.output_size)
    assert geometry.axes == len(x_shape) - 2
    assert geometry.taps == prod(geometry.kernel_size)
    if parameters["stride"] is None:
        assert geometry.stride == geometry.kernel_size
    for axis, out in enumerate(geometry.output_size):
        assert out >= 1
        assert all(keeps(geometry, axis, i) for i in range(out))
        assert not keeps(geometry, axis, out)
        covered = range(taps(geometry, axis, 0)[0], taps(geometry, axis, 0)[-1] + 1)
        assert geometry.effective_kernel[axis] == len(covered)
        assert max(geometry.padding[axis]) < len(covered)
        if parameters["padding"] == "same":
            assert (out - 1) * geometry.stride[axis] < geometry.input_size[axis] <= out * geometry.stride[axis]


@given(cases())
def test_refusals_are_those_of_the_definition(case):
    (_, _, *size), parameters = case
    if built(case) is not None or parameters["padding"] == "same":
        assert built(case) is not None, '"same" always fits'
        return
    axes = len(size)

    def entries(value):
        return value if isinstance(value, tuple) else (value,) * axes

    padding = 0 if parameters["padding"] == "valid" else parameters["padding"]
    kernel = entries(parameters["kernel_size"])
    reasons = []
    for length, k, s, d, pad in zip(
        size, kernel, entries(parameters["stride"] or kernel), entries(parameters["dilation"]), entries(padding)
    ):
        before, after = pad if isinstance(pad, tuple) else (pad, pad)
        covers = len(range(0, (k - 1) * d + 1))
        hangs_over = covers - (length + before + after)
        reasons.append(
            max(before, after) >= covers or hangs_over > (min(s - 1, hangs_over) if parameters["ceil_mode"] else 0)
        )
    assert any(reasons)


@given(cases())
def test_tap_slices_pair_windows_with_the_positions_of_their_tap(case):
    geometry = built(case)
    if geometry is None:
        return
    for axis, length in enumerate(geometry.input_size):
        for tap in range(geometry.kernel_size[axis]):
            windows, positions = geometry.tap_slices(axis, tap)
            pairs = zip(range(geometry.output_size[axis])[windows], range(length)[positions], strict=True)
            expected = [
                (i, taps(geometry, axis, i)[tap])
                for i in range(geometry.output_size[axis])
                if 0 <= taps(geometry, axis, i)[tap] < length
            ]
            assert list(pairs) == expected


@given(cases())
def test_what_windows_see(case):
    geometry = built(case)
    if geometry is None:
        return
    touched, disjoint = False, True
    for axis, (length, out) in enumerate(zip(geometry.input_size, geometry.output_size)):
        _, after = geometry.padding[axis]
        spans = [range(taps(geometry, axis, i)[0], taps(geometry, axis, i)[-1] + 1) for i in range(out)]
        assert geometry.span[axis] == spans[-1][-1] - spans[0][0] + 1
        touched |= spans[0][0] < 0 or spans[-1][-1] >= length
        disjoint &= all(set(a).isdisjoint(b) for a, b in pairwise(spans))
        for i in range(out):
            inside = [u for u, position in enumerate(taps(geometry, axis, i)) if 0 <= position < length]
            padded = [u for u, position in enumerate(taps(geometry, axis, i)) if position < length + after]
            assert geometry.first_taps(axis)[i] == (inside[0] if inside else None)
            assert geometry.counts(axis, include_padding=False)[i] == len(inside)
            assert geometry.counts(axis, include_padding=True)[i] == len(padded)
    assert geometry.is_padded == touched
    assert geometry.is_disjoint == disjoint


@pytest.mark.parametrize(
    ("padding", "ceil_mode", "padded"),
    [
        ((0, 0), False, False),
        ((1, 0), False, True),
        ((0, 1), False, False),
        ((0, 2), False, True),
        ((0, 0), True, True),
    ],
)
def test_only_padding_that_a_window_reaches_counts(padding, ceil_mode, padded):
    # Windows of 3 at stride 3 over 7 positions leave the last one over: for a ceil_mode window, or with two more.
    geometry = PoolGeometry.forward((1, 1, 7), 3, padding=[padding], ceil_mode=ceil_mode)
    assert geometry.is_padded == padded


@given(cases())
def test_gradients_share_the_geometry_of_the_forward_pass(case):
    geometry = built(case)
    x_shape, parameters = case
    if geometry is None:
        return
    assert PoolGeometry.from_input_grad(geometry.out_shape, x_shape, **parameters) == geometry
    with pytest.raises(ShapeError, match="grad_output must have the shape of the pooling's output"):
        PoolGeometry.from_input_grad((*geometry.out_shape[:-1], geometry.out_shape[-1] + 1), x_shape, **parameters)


@pytest.mark.parametrize(
    ("x_shape", "parameters", "error", "message"),
    [
        ((1, 1, 5, 5), {"kernel_size": 2, "padding": 2}, ShapeError, r"it is \(2, 2\) and the kernel covers 2"),
        ((1, 1, 5, 5), {"kernel_size": (3, 2), "padding": (2, (0, 2))}, ShapeError, "axis 1 it is .* covers 2"),
        ((1, 1, 5, 4), {"kernel_size": 5}, ShapeError, "axis 1 it covers 5 positions.* has 4 "),
        ((1, 1, 5, 5), {"kernel_size": 0}, ShapeError, "kernel_size must be at least 1, but got 0"),
        ((1, 1, 5, 5), {"kernel_size": 2, "stride": 0}, ShapeError, "stride must be at least 1, but got 0"),
        ((1, 1, 5, 5), {"kernel_size": (2, 2, 2)}, ShapeError, r"one per spatial axis \(2\), but got 3"),
        ((1, 0, 5, 5), {"kernel_size": 2}, ShapeError, "at least one element"),
        ((1, 1, 5, 5), {"kernel_size": 2.0}, TypeError, "kernel_size must be an integer"),
        ((1, 1, 5, 5), {"kernel_size": 2, "ceil_mode": 1}, TypeError, "ceil_mode must be True or False"),
    ],
)
def test_bad_calls_are_one_sentence(x_shape, parameters, error, message):
    with pytest.raises(error, match=message):
        PoolGeometry.forward(x_shape, **parameters)


def test_equal_calls_are_equal_and_hashable_and_frozen():
    one = PoolGeometry.forward((2, 3, 8, 7), 2, padding=1)
    two = PoolGeometry.forward((2, 3, 8, 7), [2, 2], stride=(2, 2), padding=[(1, 1), 1])
    assert one == two
    assert hash(one) == hash(two)
    with pytest.raises(FrozenInstanceError):
        one.batch = 3


# --- adaptive ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 40))
def test_adaptive_windows_start_and_end_at_shares_of_the_axis(length, out):
    geometry = AdaptiveGeometry.forward((1, 1, length), out)
    bounds = geometry.bounds(0)
    assert len(bounds) == out
    for i, (start, end) in enumerate(bounds):
        assert start == floor(i * length / out)
        assert end == ceil((i + 1) * length / out)
    assert (bounds[0][0], bounds[-1][1]) == (0, length)
    assert all(start <= previous_end for (_, previous_end), (start, _) in pairwise(bounds))


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_reversed_windows_say_in_which_windows_a_position_lies(length, out):
    geometry = AdaptiveGeometry.forward((1, 1, length), out)
    bounds = geometry.bounds(0)
    for position, (first, stop) in enumerate(geometry.reversed.bounds(0)):
        assert list(range(first, stop)) == [i for i, (start, end) in enumerate(bounds) if start <= position < end]


@given(several(2, st.integers(1, 12)), several(2, st.integers(1, 12)))
def test_fixed_is_the_pooling_whose_windows_of_one_size_part_the_axes(size, out):
    geometry = AdaptiveGeometry.forward((2, 3, *size), out)
    fixed = geometry.fixed
    partition = all(
        end == start and end - before == after - start
        for axis in range(2)
        for (before, end), (start, after) in pairwise(geometry.bounds(axis))
    )
    assert (fixed is not None) == partition
    if fixed:
        assert fixed.out_shape == geometry.out_shape
        for axis in range(2):
            spans = [(taps(fixed, axis, i)[0], taps(fixed, axis, i)[-1] + 1) for i in range(out[axis])]
            assert spans == list(geometry.bounds(axis))


@pytest.mark.parametrize(
    ("written", "expected"),
    [(2, (2, 2)), ((3, 2), (3, 2)), ((None, 2), (5, 2)), ([4, None], (4, 7)), (None, (5, 7)), (0, (0, 0))],
)
def test_output_sizes_as_written(written, expected):
    geometry = AdaptiveGeometry.forward((2, 3, 5, 7), written)
    assert geometry.output_size == expected
    assert geometry.out_shape == (2, 3, *expected)
    assert geometry.x_shape == (2, 3, 5, 7)
    assert geometry.axes == 2


@pytest.mark.parametrize(
    ("written", "error", "message"),
    [
        (-1, ShapeError, "output_size must be at least 0, but got -1"),
        ((2, 2, 2), ShapeError, r"one per spatial axis \(2\), but got 3"),
        ((2, -1), ShapeError, r"output_size\[1\] must be at least 0"),
        ("2", TypeError, "output_size must be an integer"),
        ((2, 1.5), TypeError, r"output_size\[1\] must be an integer"),
    ],
)
def test_bad_output_sizes(written, error, message):
    with pytest.raises(error, match=message):
        AdaptiveGeometry.forward((2, 3, 5, 7), written)


def test_adaptive_gradients_are_checked():
    assert AdaptiveGeometry.from_input_grad((2, 3, 2, 4), (2, 3, 5, 7)).output_size == (2, 4)
    with pytest.raises(ShapeError, match="grad_output must have the shape of the pooling's output"):
        AdaptiveGeometry.from_input_grad((2, 4, 2, 4), (2, 3, 5, 7))
