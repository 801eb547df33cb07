"""Operators of Tensor: values against Python numbers, broadcasting against loops, gradients against differences."""

import itertools
import operator
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.functional.elements.arithmetic import unbroadcast
from sevenloops.testing import check_gradients

OPERATORS = (operator.add, operator.sub, operator.mul, operator.truediv)
FLOATS = (np.float16, np.float32, np.float64)


@st.composite
def broadcast_shapes(draw):
    """Two shapes that broadcast: an axis of the result is there in both, or has length 1 or is absent in one."""
    result = draw(st.lists(st.integers(0, 3), max_size=4))
    shapes = []
    for _ in range(2):
        shape = [1 if draw(st.booleans()) else length for length in result]
        shapes.append(tuple(shape[draw(st.integers(0, len(shape))) :]))
    return tuple(shapes)


def broadcast_by_hand(function, a, b):
    """Apply a function of two numbers to each pair that broadcasting brings together."""
    axes = max(a.ndim, b.ndim)
    a, b = (x.reshape((1,) * (axes - x.ndim) + x.shape) for x in (a, b))
    shape = tuple(m if n == 1 else n for m, n in zip(a.shape, b.shape))
    result = np.empty(shape)
    for index in itertools.product(*map(range, shape)):
        of_a, of_b = (tuple(0 if n == 1 else i for i, n in zip(index, x.shape)) for x in (a, b))
        result[index] = function(float(a[of_a]), float(b[of_b]))
    return result


def away_from_zero(rng, shape):
    return rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)


@pytest.mark.parametrize("function", OPERATORS)
@given(shapes=broadcast_shapes(), seed=st.integers(0, 2**32 - 1))
def test_values_and_gradients_broadcast(function, shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (away_from_zero(rng, shape) for shape in shapes)
    expected = broadcast_by_hand(function, a, b)
    for left, right in ((sl.Tensor(a), sl.Tensor(b)), (sl.Tensor(a), b), (a, sl.Tensor(b))):
        result = function(left, right)
        assert isinstance(result, sl.Tensor)
        np.testing.assert_array_equal(result.numpy(), expected)
    check_gradients(function, a, b, seed=seed)
    check_gradients(lambda x: function(x, b), a, seed=seed)
    check_gradients(lambda x: function(a, x), b, seed=seed)


@given(shapes=broadcast_shapes(), seed=st.integers(0, 2**32 - 1))
def test_unbroadcast_is_the_transpose_of_broadcasting(shapes, seed):
    """<broadcast(x), g> = <x, unbroadcast(g)> for all x and g."""
    rng = np.random.default_rng(seed)
    small, full = shapes[0], np.broadcast_shapes(*shapes)
    x, g = rng.standard_normal(small), rng.standard_normal(full)
    back = unbroadcast(g, small, g.dtype)
    assert back.shape == small
    np.testing.assert_allclose(sum((x * back).ravel()), sum((x + np.zeros(full)).ravel() * g.ravel()), atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("number", [2, -3.0, True, np.float64(0.5), np.float32(1.5), np.int64(4), np.bool_(True)])
@pytest.mark.parametrize("function", OPERATORS)
def test_numbers_take_the_dtype_of_the_tensor(function, number, dtype):
    x = sl.Tensor(np.array([1.0, -2.0, 4.0], dtype), requires_grad=True)
    for result, expected in (
        (function(x, number), [function(v, float(number)) for v in (1.0, -2.0, 4.0)]),
        (function(number, x), [function(float(number), v) for v in (1.0, -2.0, 4.0)]),
    ):
        assert result.dtype == dtype
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-3 if dtype == np.float16 else 1e-6)
        result.sum().backward()
        assert x.grad.dtype == dtype


@pytest.mark.parametrize("other", ["1", None, [1.0], (1.0,), 1j, np.complex128(1), object()])
@pytest.mark.parametrize("function", [*OPERATORS, operator.matmul, operator.pow])
def test_what_is_no_operand_is_named_by_python(function, other):
    with pytest.raises(TypeError, match=r"unsupported operand type|Tensor"):
        function(sl.Tensor([1.0, 2.0]), other)


def test_dtypes_do_not_mix():
    with pytest.raises(TypeError, match=r"must share one dtype, but left is float64, right is float32; convert"):
        sl.Tensor([1.0]) + sl.Tensor(np.ones(1, np.float32))
    with pytest.raises(TypeError, match="right must be a float16, float32 or float64 array"):
        sl.Tensor([1.0]) * np.array([1])
    with pytest.raises(TypeError, match="left must be a float16, float32 or float64 array"):
        sl.Tensor([1]) * 2


def test_shapes_that_do_not_broadcast_are_named():
    message = r"operands of multiply must have shapes that broadcast .* \(2, 3\) and \(2,\)"
    with pytest.raises(sl.errors.ShapeError, match=message):
        sl.Tensor(np.ones((2, 3))) * np.ones(2)


def test_half_precision_is_summed_in_single():
    """4096 terms of 1, added one by one in float16, stop at 2048."""
    ones = np.ones((4096, 2), np.float16)
    for function in OPERATORS:
        x = sl.Tensor(np.ones(2, np.float16), requires_grad=True)
        function(x, ones).backward(ones)
        assert x.grad.tolist() == [4096, 4096]


@given(shapes=broadcast_shapes(), seed=st.integers(0, 2**32 - 1))
def test_functions_are_the_operators(shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (away_from_zero(rng, shape) for shape in shapes)
    for function, operation in zip((sl.add, sl.sub, sl.mul, sl.div), OPERATORS):
        expected = broadcast_by_hand(operation, a, b)
        for result in (
            function(a, b),
            function(sl.Tensor(a), b).numpy(),
            getattr(sl.Tensor(a), function.__name__)(b).numpy(),
        ):
            assert type(result) is np.ndarray
            np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(function(2, b), broadcast_by_hand(operation, np.array(2.0), b))


def test_a_constant_factor_does_not_keep_the_other_one():
    """x · c keeps c only, and x / c too: what made x may be freed."""
    for function in (operator.mul, operator.truediv):
        x = sl.Tensor(np.ones(3), requires_grad=True)
        hidden = x + 0
        array = weakref.ref(hidden.data)
        result = function(hidden, 2.0)
        del hidden
        assert array() is None
        result.sum().backward()
        assert x.grad.tolist() == [function(1, 2.0)] * 3


def test_inputs_are_not_changed_and_not_shared():
    x = sl.Tensor(np.ones(3), requires_grad=True)
    y = x * 1
    y.data[:] = 7
    assert x.data.tolist() == [1, 1, 1]
