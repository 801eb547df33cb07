"""Powers with numbers and arrays as exponents; squares and roots are tested with the elementwise functions."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.testing import check_gradients
from tests.functional.elements.test_arithmetic import broadcast_by_hand


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.5, np.float32(2), np.int64(3)])
def test_numbers_as_exponents(exponent):
    x = np.random.default_rng(0).uniform(0.5, 2, (2, 3))
    result = sl.Tensor(x) ** exponent
    np.testing.assert_allclose(result.numpy(), [[v ** float(exponent) for v in row] for row in x], rtol=1e-14)
    check_gradients(lambda x: x**exponent, x)


def test_powers_of_negative_numbers_and_of_zero():
    check_gradients(lambda x: x**3, -np.random.default_rng(0).uniform(0.5, 2, 4))
    x = sl.Tensor([0.0, 0.0], requires_grad=True)
    (x**0 + x**1 + x**2).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("shapes", [((2, 3), (3,)), ((), (2, 2)), ((3, 1), (1, 2)), ((0,), (1,))])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_as_exponents(shapes, dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(0.5, 2, shape).astype(dtype) for shape in shapes)
    expected = broadcast_by_hand(lambda a, b: a**b, x, y)
    for result in (sl.pow(x, y), (sl.Tensor(x) ** y).numpy(), (x ** sl.Tensor(y)).numpy()):
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose((2 ** sl.Tensor(y)).numpy(), 2.0 ** y.astype(np.float64), rtol=4 * np.finfo(dtype).eps)


def test_gradients_where_a_factor_is_infinite():
    """x⁰ and 0ʸ are constant, though 0⁻¹ and log 0 stand in the rule; warnings would be errors here."""
    x, y = (sl.Tensor(v, requires_grad=True) for v in ([0.0, 0.0, 2.0], [0.0, 2.0, 0.0]))
    (x**y).sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    np.testing.assert_allclose(y.grad, [0, 0, np.log(2)])


@pytest.mark.parametrize("exponent", [True, np.bool_(True), "2", None])
def test_exponents_are_numbers_or_arrays(exponent):
    with pytest.raises(TypeError, match=r"unsupported operand|Tensor"):
        sl.Tensor([1.0, 2.0]) ** exponent
