"""Comparisons and other questions: bools without a gradient, and Tensors that can still be keys."""

import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from tests.functional.elements.test_arithmetic import broadcast_by_hand, broadcast_shapes

OPERATORS = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


@pytest.mark.parametrize("name", OPERATORS)
@given(shapes=broadcast_shapes(), seed=st.integers(0, 2**32 - 1))
def test_comparisons(name, shapes, seed):
    a, b = (np.random.default_rng(seed).integers(-1, 2, shape) / 2 for shape in shapes)
    expected = broadcast_by_hand(OPERATORS[name], a, b) == 1
    np.testing.assert_array_equal(getattr(sl, name)(a, b), expected)
    x = sl.Tensor(a, requires_grad=True)
    for result in (
        getattr(sl, name)(x, b),
        OPERATORS[name](x, b),
        OPERATORS[name](x, sl.Tensor(b)),
        getattr(x, name)(b),
    ):
        assert isinstance(result, sl.Tensor)
        assert not result.requires_grad
        assert result.dtype == bool
        np.testing.assert_array_equal(result.numpy(), expected)
    np.testing.assert_array_equal(OPERATORS[name](a, sl.Tensor(b)).numpy(), expected)
    from_the_left = OPERATORS[name](0.5, sl.Tensor(b)).tolist()
    assert np.ravel(from_the_left).tolist() == [OPERATORS[name](0.5, v) for v in b.ravel()]


def test_the_accuracy_of_predictions():
    logits, labels = sl.Tensor([[0.1, 0.9], [2.0, 1.0], [0.0, 3.0]]), sl.Tensor([1, 1, 1])
    right = logits.argmax(1) == labels
    assert right.tolist() == [True, False, True]
    assert right.sum().item() == 2
    assert right.float().mean().item() == pytest.approx(2 / 3)


def test_dtypes_may_differ_and_numbers_do_not_widen():
    assert (sl.Tensor(np.array([0.1], np.float32)) == 0.1).tolist() == [True]
    assert (sl.Tensor([1, 2]) == sl.Tensor([1.0, 2.5])).tolist() == [True, False]


def test_tensors_are_told_apart_as_keys():
    a, b = sl.Tensor([1.0, 2.0]), sl.Tensor([1.0, 2.0])
    table = {a: "a", b: "b"}
    assert (table[a], table[b]) == ("a", "b")
    assert len({a, b, a}) == 2
    assert hash(a) != hash(b)


def test_what_is_no_operand_is_unequal_and_not_ordered():
    x = sl.Tensor([1.0, 2.0])
    assert x != None  # noqa: E711
    assert (x == None) is False  # noqa: E711
    assert x != "text"
    with pytest.raises(TypeError, match="not supported between"):
        operator.lt(x, None)


def test_masks_combine():
    x = sl.Tensor([1.0, 2.0, 3.0, 4.0])
    assert ((x > 1) & (x < 4)).tolist() == [False, True, True, False]
    assert ((x < 2) | (x > 3)).tolist() == [True, False, False, True]
    assert ((x > 1) ^ (x > 2)).tolist() == [False, True, False, False]
    assert (~(x > 2)).tolist() == [True, True, False, False]
    assert x[x > 2].tolist() == [3, 4]


def test_shapes_that_do_not_broadcast_are_named():
    message = r"operands of equal must have shapes that broadcast .* \(2, 3\) and \(2,\)"
    with pytest.raises(sl.errors.ShapeError, match=message):
        operator.eq(sl.Tensor(np.ones((2, 3))), np.ones(2))


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite"])
def test_infinities_and_nan(name):
    x = [0.0, math.inf, -math.inf, math.nan]
    expected = [getattr(math, name)(v) for v in x]
    assert getattr(sl, name)(x).tolist() == expected
    assert getattr(sl.Tensor(x), name)().tolist() == expected


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 2)])
def test_all_and_any(shape):
    x = np.random.default_rng(0).random(shape) < 0.7
    assert (sl.all(np.ones((2, 0)), 1).tolist(), sl.any(np.ones((2, 0)), 1).tolist()) == ([True] * 2, [False] * 2)
    for name, by_hand in (("all", all), ("any", any)):
        assert getattr(sl.Tensor(x), name)().item() == by_hand(x.ravel().tolist())
        if len(shape) > 2:
            rows = np.moveaxis(x, 1, -1).reshape(-1, shape[1])
            result = getattr(sl, name)(x, 1, keepdim=True)
            assert result.shape == (shape[0], 1, *shape[2:])
            assert result.ravel().tolist() == [by_hand(row.tolist()) for row in rows]
