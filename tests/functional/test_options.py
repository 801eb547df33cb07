"""Options of functions: what is taken, and one sentence about what is not."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.functional.options import array_of, number, one_of, probability


@pytest.mark.parametrize("value", [2, 2.0, np.float16(2), np.float64(2), np.int8(2)])
def test_numbers(value):
    assert number("n", value) == 2.0
    assert type(number("n", value)) is float


@pytest.mark.parametrize("value", [True, np.True_, "2", None, 2j, [2.0], np.array(2.0), np.ones(1)])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match=r"^n must be a number, but got "):
        number("n", value)


def test_probabilities():
    assert [probability("p", v) for v in (0, 0.5, 1)] == [0.0, 0.5, 1.0]
    for wrong in (-1e-9, 1 + 1e-9, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^p must be from 0 to 1, but got "):
            probability("p", wrong)


def test_names():
    assert one_of("mode", "b", ("a", "b", "c")) == "b"
    for wrong in ("d", "", None, 1, ["a"], np.array(["a", "b"])):
        with pytest.raises(ValueError, match=r'^mode must be "a", "b" or "c", but got '):
            one_of("mode", wrong, ("a", "b", "c"))


def test_arrays():
    x = np.ones(2)
    assert array_of(sl.Tensor(x)) is x
    assert array_of(x) is x
    assert array_of(None) is None
