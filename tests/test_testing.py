"""The gradient checker: it passes right gradients of any size, and finds planted mistakes of many kinds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.autograd import Operation, apply
from sevenloops.testing import GradientError, check_gradients

SCALES = (1e-12, 1e-6, 1.0, 1e6)


def normal(shape, scale=1.0, seed=0):
    return np.random.default_rng(seed).standard_normal(shape) * scale


def square(vjp):
    """Return x², with a gradient rule to be tested."""
    operation = Operation("square", lambda x: (x * x, x), lambda grad, saved, needs: (vjp(grad, saved),))
    return lambda x: apply(operation, x)


def right(grad, x):
    return 2 * grad * x


def off_by_a_little(grad, x):
    return 2 * grad * x * (1 + 1e-4)


def missing_factor(grad, x):
    return grad * x


def one_element(grad, x):
    dx = 2 * grad * x
    dx.flat[7] *= 1.1
    return dx


def tiny_absolute(grad, x):
    return np.full_like(x, 1e-10)


def zero(grad, x):
    return np.zeros_like(x)


def all_ones_hides_it(grad, x):
    return 2 * grad.mean() * x


def order_of_the_rows(grad, x):
    return 2 * grad[::-1] * x


def not_a_number(grad, x):
    dx = 2 * grad * x
    dx.flat[3] = np.nan
    return dx


def nonlinear_in_the_cotangent(grad, x):
    return 2 * np.abs(grad) * x


@pytest.mark.parametrize("scale", SCALES)
@given(seed=st.integers(0, 2**32 - 1))
def test_right_gradients_of_any_size_pass(scale, seed):
    x, y = normal((4, 5), scale, seed), normal((5, 3), 1 / scale, seed + 1)
    check_gradients(square(right), x, seed=seed)
    check_gradients(lambda x, y: x @ y, x, y, seed=seed)
    if scale <= 1:  # of larger numbers each row is a 1 and zeros, and its derivative rounding alone
        check_gradients(lambda x: sl.softmax(x, 1), x, seed=seed)
        check_gradients(lambda x: sl.softmax(x, 1).sum(), x, seed=seed)  # constant: the true gradient is 0
    check_gradients(lambda x: x.sum() * 0, x, seed=seed)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("mistake", [
    off_by_a_little, missing_factor, one_element, zero, all_ones_hides_it, order_of_the_rows, not_a_number,
    nonlinear_in_the_cotangent,
])  # fmt: skip
def test_mistakes_are_caught_at_any_size(mistake, scale):
    with pytest.raises(
        GradientError, match=r"gradient of argument 0 must equal the derivative, but at index \(\d, \d\)"
    ):
        check_gradients(square(mistake), normal((4, 5), scale))


def test_a_tiny_gradient_is_not_passed_for_its_size():
    """A tolerance of 1e-6 would pass this one: all true derivatives are below 1e-8."""
    with pytest.raises(GradientError):
        check_gradients(square(tiny_absolute), normal((4, 5), 1e-9))


@pytest.mark.parametrize("scale", [1e-3, 1e-7])
def test_a_row_of_tiny_values_counts(scale):
    """At 1e-3 the norm shows it, at 1e-7 only its own elements do."""

    def wrong_where_small(grad, x):
        dx = 2 * grad * x
        dx[2] *= 1.5
        return dx

    x = normal((4, 5))
    x[2] *= scale
    with pytest.raises(GradientError, match=r"index \(2, \d\)"):
        check_gradients(square(wrong_where_small), x)


def test_one_wrong_element_of_many_is_found():
    def wrong_at_one(grad, x):
        dx = 2 * grad * x
        dx[12, 34] *= 1.1
        return dx

    for shape in ((50, 60), (100, 100)):
        with pytest.raises(GradientError, match=r"index \(12, 34\)"):
            check_gradients(square(wrong_at_one), normal(shape))


def test_small_arguments_take_small_steps():
    """The difference of x³ is 3x² + h²."""
    for scale in SCALES:
        check_gradients(lambda x: x**3, normal((4, 5), scale))


def test_large_arguments_of_curved_functions():
    """The sine of 10,000 bends within a step of a millionth of its argument."""
    sine = Operation("sine", lambda x: (np.sin(x), x), lambda grad, saved, needs: (grad * np.cos(saved),))
    check_gradients(lambda x: apply(sine, x), normal((4, 5), 1e4))
    wrong = Operation("sine", lambda x: (np.sin(x), x), lambda grad, saved, needs: (1.0001 * grad * np.cos(saved),))
    with pytest.raises(GradientError):
        check_gradients(lambda x: apply(wrong, x), normal((4, 5), 1e4))


def test_small_arguments_beside_large_constants():
    """exp(1e-12·z) is 1 + 1e-12·z, and a step of 1e-18 is lost in it: that must not excuse a wrong gradient."""
    x = normal((4, 5), 1e-12)
    check_gradients(lambda x: x.exp(), x)
    wrong = Operation("exp", lambda x: (np.exp(x), x), lambda grad, saved, needs: (1.01 * grad * np.exp(saved),))
    with pytest.raises(GradientError):
        check_gradients(lambda x: apply(wrong, x), x)


def test_arguments_that_do_not_matter_have_no_gradient():
    check_gradients(lambda a, b: a * a, normal(3), normal(3))


def test_swapped_symmetric_gradients_are_caught():
    """x·xᵀ is symmetric, and its rule must use grad and its transpose; an all-ones cotangent cannot tell."""
    gram = Operation("gram", lambda x: (x @ x.T, x), lambda grad, saved, needs: (2 * grad @ saved,))
    x = normal((4, 3))
    with pytest.raises(GradientError):
        check_gradients(lambda x: apply(gram, x), x)
    proper = Operation("gram", lambda x: (x @ x.T, x), lambda grad, saved, needs: ((grad + grad.T) @ saved,))
    check_gradients(lambda x: apply(proper, x), x)
    swapped = Operation("product", lambda a, b: (a * b, (a, b)), lambda grad, s, needs: (grad * s[0], grad * s[1]))
    with pytest.raises(GradientError):
        check_gradients(lambda a, b: apply(swapped, a, b), normal((3, 3)), normal((3, 3), seed=1))


def test_the_wrong_argument_and_element_are_named():
    def vjp(grad, saved, needs):
        da, db = grad * saved[1], grad * saved[0]
        db[1, 2] += 0.5
        return da, db

    product = Operation("product", lambda a, b: (a * b, (a, b)), vjp)
    a, b = normal((2, 3)), normal((2, 3), seed=1)
    with pytest.raises(GradientError, match=r"argument 1 .* at index \(1, 2\) backward gives \S+ and the .* \S+\.$"):
        check_gradients(lambda a, b: apply(product, a, b), a, b)


def test_a_forgotten_gradient_is_caught():
    with pytest.raises(GradientError, match="argument 1"):
        check_gradients(lambda a, b: a * b.detach(), normal(3), normal(3, seed=1))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0)])
def test_small_and_empty_arguments(shape):
    check_gradients(square(right), normal(shape))
    if 0 not in shape:
        with pytest.raises(GradientError, match="argument 0"):
            check_gradients(square(missing_factor), normal(shape))


def test_all_results_with_a_history_are_checked():
    both = Operation("both", lambda x: ((x * x, np.argsort(x)), x), lambda grad, saved, needs: (2 * grad * saved,))
    check_gradients(lambda x: apply(both, x), normal(4))
    x = normal((3, 4))
    check_gradients(lambda x: (x.detach(), x * x, 3.0, x.sum()), x)
    check_gradients(lambda x: [x, x.exp(), x], x)
    check_gradients(lambda x: x.split(2, 1), x)
    with pytest.raises(GradientError, match="argument 0"):
        check_gradients(lambda x: (x * x, square(missing_factor)(x)), x)
    check_gradients(lambda a, b: (a * 2, b.exp() * 0 + a.sum()), x, normal(3))


def test_a_mistake_only_where_the_cotangent_has_strides_of_0():
    def first_of_all(grad, x):
        return 2 * (grad if grad.strides[0] else grad[:1]) * x

    def in_order_of_memory(grad, x):
        return 2 * grad.ravel("K").reshape(grad.shape) * x

    wrong_constant = Operation("wrong", lambda x: (x * x, x), lambda grad, saved, needs: (
        2 * (grad if any(grad.strides) else 2 * grad) * saved,))  # fmt: skip
    with pytest.raises(
        GradientError, match=r"argument 0 must not depend on the memory .* at index \(0, 0\) .* strides 0"
    ):
        check_gradients(lambda x: apply(wrong_constant, x), normal((4, 5)))
    with pytest.raises(GradientError, match=r"must not depend on the memory .* one that runs backwards"):
        check_gradients(square(in_order_of_memory), normal((4, 5)))
    check_gradients(square(first_of_all), normal((4, 5)))  # not wrong: all rows are the same


def test_a_missing_sum_over_repeated_axes():
    """A rule that forgets it returns a gradient of the wrong shape, or with one row for the sum of all."""
    forgotten = Operation("add", lambda a, b: (a + b, None), lambda grad, saved, needs: (grad, grad))
    with pytest.raises(RuntimeError, match="must return an array of the input's shape"):
        check_gradients(lambda a, b: apply(forgotten, a, b), normal((4, 3)), normal(3))
    one_row = Operation("add", lambda a, b: (a + b, None), lambda grad, saved, needs: (grad, grad[0]))
    mean = Operation("add", lambda a, b: (a + b, None), lambda grad, saved, needs: (grad, grad.mean(0)))
    for wrong in (one_row, mean):
        with pytest.raises(GradientError, match="argument 1"):
            check_gradients(lambda a, b, wrong=wrong: apply(wrong, a, b), normal((4, 3)), normal(3))


def test_a_transposed_gradient():
    product = Operation("product", lambda a, b: (a @ b, (a, b)), lambda grad, saved, needs: (
        grad @ saved[1].T, (grad.T @ saved[0])))  # fmt: skip
    with pytest.raises(GradientError, match="argument 1"):
        check_gradients(lambda a, b: apply(product, a, b), normal((3, 3)), normal((3, 3), seed=1))


def test_single_precision_arrays_are_checked_in_double():
    seen = []
    check_gradients(lambda x: seen.append(x.dtype) or x * x, normal(4).astype(np.float32))
    assert set(seen) == {np.dtype(np.float64)}


def test_kernels_that_write_to_what_they_are_given_fail():
    def scribble(array):
        array *= 2
        return array

    forward = Operation("forward", lambda x: (scribble(x), None), lambda grad, saved, needs: (grad * 2,))
    backward = Operation("backward", lambda x: (x * 2, None), lambda grad, saved, needs: (scribble(grad),))
    x = normal(4)
    for operation in (forward, backward):
        with pytest.raises(ValueError, match="read-only"):
            check_gradients(lambda x, operation=operation: apply(operation, x), x)
    assert x.tolist() == normal(4).tolist()


def test_the_seed_decides():
    def cotangents(seed):
        seen = []
        operation = Operation("seen", lambda x: (x * 1, None), lambda grad, s, needs: (seen.append(grad[0]) or grad,))
        check_gradients(lambda x: apply(operation, x), normal(4), seed=seed)
        return seen

    assert cotangents(0) == cotangents(0)
    assert cotangents(0) != cotangents(1)
    assert cotangents(None) != cotangents(None)
    assert cotangents(np.random.default_rng(3)) == cotangents(3)


def test_it_works_under_no_grad():
    with sl.no_grad():
        check_gradients(square(right), normal(4))
        with pytest.raises(GradientError):
            check_gradients(square(zero), normal(4))


@pytest.mark.parametrize(("function", "message"), [
    (lambda x: x.numpy() * 2, "computes a Tensor from its Tensors, but it returned ndarray"),
    (lambda x: x.detach(), "returned a Tensor without history"),
    (lambda x: None, "returned NoneType"),
])  # fmt: skip
def test_functions_without_a_gradient(function, message):
    with pytest.raises(TypeError, match=message):
        check_gradients(function, normal(3))


def test_arguments_are_floats():
    with pytest.raises(TypeError, match=r"arrays\[1\] must be a float16, float32 or float64 array"):
        check_gradients(lambda a, b: a, normal(3), [1, 2, 3])
