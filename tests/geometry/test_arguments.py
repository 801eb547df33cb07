import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import flag, integer, is_sequence, paddings, per_axis, shape_tuple


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_integers_of_any_kind(value):
    result = integer("n", value, 1)
    assert (result, type(result)) == (3, int)


@pytest.mark.parametrize("value", [3.0, np.float32(3), True, np.True_, "3", None, [3], np.array([3, 4]), 3 + 0j])
def test_what_is_not_an_integer(value):
    with pytest.raises(TypeError, match=r"n must be an integer, but got"):
        integer("n", value, 1)


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_integers_have_a_minimum(value, minimum):
    if value >= minimum:
        assert integer("n", value, minimum) == value
    else:
        with pytest.raises(ShapeError, match=f"n must be at least {minimum}, but got {value}."):
            integer("n", value, minimum)


@pytest.mark.parametrize("value", [True, np.True_, np.bool_(True)])
def test_flags(value):
    assert flag("f", value) is True
    assert flag("f", not value) is False


@pytest.mark.parametrize("value", [1, 0, "True", None, [], np.array([True]), np.array(True)])
def test_what_is_not_a_flag(value):
    with pytest.raises(TypeError, match="f must be True or False"):
        flag("f", value)


@pytest.mark.parametrize("value", [[], (1,), range(3), np.zeros(2)])
def test_sequences(value):
    assert is_sequence(value)


@pytest.mark.parametrize("value", [1, 1.0, "same", b"12", {1}, {1: 2}, None, np.array(1), iter([1])])
def test_what_is_not_a_sequence(value):
    assert not is_sequence(value)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_one_number_stands_for_every_axis(axes):
    assert per_axis("stride", 2, axes) == (2,) * axes
    assert per_axis("stride", list(range(1, axes + 1)), axes) == tuple(range(1, axes + 1))
    assert per_axis("stride", np.arange(1, axes + 1), axes) == tuple(range(1, axes + 1))


def test_per_axis_refuses_by_type_count_and_value():
    with pytest.raises(ShapeError, match=r"stride must be one integer or one per spatial axis \(2\), but got 3"):
        per_axis("stride", (1, 2, 3), 2)
    with pytest.raises(ShapeError, match=r"stride\[1\] must be at least 1, but got 0"):
        per_axis("stride", (1, 0), 2)
    with pytest.raises(ShapeError, match="stride must be at least 1, but got 0"):
        per_axis("stride", 0, 2)
    with pytest.raises(TypeError, match=r"stride\[0\] must be an integer, but got 1\.5"):
        per_axis("stride", (1.5, 1), 2)
    with pytest.raises(TypeError, match="stride must be an integer"):
        per_axis("stride", "12", 2)


def test_shapes():
    assert shape_tuple("input_size", [0, 2, np.int32(3)], 3) == (0, 2, 3)
    with pytest.raises(TypeError, match="input_size must be a shape with 3 entries, but got 5"):
        shape_tuple("input_size", 5, 3)
    with pytest.raises(ShapeError, match=r"input_size must be a shape with 3 entries, but got \(1, 2\)"):
        shape_tuple("input_size", (1, 2), 3)
    with pytest.raises(ShapeError, match=r"input_size\[1\] must be at least 0, but got -2"):
        shape_tuple("input_size", (1, -2, 3), 3)
    with pytest.raises(TypeError, match=r"input_size\[2\] must be an integer"):
        shape_tuple("input_size", (1, 2, 3.0), 3)


WINDOW = {"input_size": (9, 8), "kernel_size": (3, 2), "stride": (2, 1), "dilation": (1, 3)}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        (((1, 2), 3), ((1, 2), (3, 3))),
        ([[1, 2], [3, 4]], ((1, 2), (3, 4))),
        (np.array([[1, 2], [3, 4]]), ((1, 2), (3, 4))),
        ("valid", ((0, 0), (0, 0))),
        ("same", ((1, 1), (1, 2))),  # 5 windows of 3 at stride 2 over 9; 8 windows covering 4 over 8
    ],
)
def test_every_way_to_write_padding(value, expected):
    assert paddings(value, **WINDOW) == expected


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (-1, ShapeError, "padding must be at least 0, but got -1"),
        ((1, -1), ShapeError, r"padding\[1\] must be at least 0, but got -1"),
        ((1, (2, -1)), ShapeError, r"padding\[1\]\[1\] must be at least 0, but got -1"),
        ((1, 2, 3), ShapeError, r"one entry per spatial axis \(2\).*got 3 entries"),
        ((1, (1, 2, 3)), ShapeError, r"padding\[1\] must be an integer or a pair \(before, after\)"),
        ("SAME", ShapeError, '"valid" or "same", but got \'SAME\''),
        (1.0, TypeError, "padding must be an integer, but got 1.0"),
        ((1, 0.5), TypeError, r"padding\[1\] must be an integer, but got 0.5"),
        (None, TypeError, "padding must be an integer, but got None"),
    ],
)
def test_bad_padding_is_one_sentence(value, error, message):
    with pytest.raises(error, match=message):
        paddings(value, **WINDOW)


def test_same_can_be_disallowed():
    with pytest.raises(ShapeError, match=r"padding must be .* or \"valid\", but got 'same'"):
        paddings("same", **WINDOW, allow_same=False)
