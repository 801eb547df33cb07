"""`grad`: gradients by chosen Tensors, returned; only what is needed is computed, and leaves stay as they are."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.autograd import Operation, apply

ADD = Operation("add", lambda a, b: (a + b, None), lambda grad, saved, needs: (grad, grad))
SQUARE = Operation("square", lambda x: (x * x, x), lambda grad, saved, needs: (2 * saved * grad,))


def leaf(*values):
    return sl.Tensor(np.array(values), requires_grad=True)


def values(gradients):
    return [None if g is None else g.tolist() for g in gradients]


def test_leaves_and_results_and_grad_stays():
    x, y = leaf(2.0), leaf(3.0)
    hidden = apply(SQUARE, x)
    z = apply(ADD, apply(SQUARE, hidden), y)  # x⁴ + y
    gradients = sl.grad(z, (x, hidden, y, z))
    assert values(gradients) == [[32.0], [8.0], [1.0], [1.0]]
    assert all(isinstance(g, sl.Tensor) and not g.requires_grad for g in gradients)
    assert x.grad is y.grad is hidden.grad is None


def test_several_outputs_add_up():
    x = leaf(2.0, 3.0)
    trunk = apply(SQUARE, x)
    outputs = [trunk, apply(SQUARE, trunk), x]
    g = [np.array([1.0, 1.0]), sl.Tensor([1.0, 0.0]), [0.0, 100.0]]
    assert values(sl.grad(outputs, x, g)) == [[4.0 + 32.0, 6.0 + 100.0]]


def test_the_gradient_of_an_output_is_the_callers():
    x = leaf(1.0, 2.0)
    g = np.array([5.0, 6.0])
    (gradient,) = sl.grad(x, x, g)
    gradient.data[:] = 0
    assert g.tolist() == [5.0, 6.0]
    first, second = sl.grad(apply(ADD, x, x), [x, x], g)
    assert first.tolist() == second.tolist() == [10.0, 12.0]


def test_no_gradient_is_computed_that_nobody_asked_for():
    asked = []

    def vjp(grad, saved, needs):
        asked.append(needs)
        return tuple(grad if n else None for n in needs)

    probe = Operation("probe", lambda a, b: (a + b, None), vjp)
    image, weight, other = leaf(1.0), leaf(2.0), leaf(3.0)
    aside = apply(probe, weight, other)  # leads to no target
    result = apply(probe, apply(probe, image, weight), aside)
    assert values(sl.grad(result, image)) == [[1.0]]
    assert asked == [(True, False), (True, False)]


def test_unused_inputs():
    x, y = leaf(1.0), leaf(2.0)
    z = apply(SQUARE, x)
    with pytest.raises(RuntimeError, match=r"inputs\[1\] is not used for them; leave it out, or pass allow_unused"):
        sl.grad(z, (x, y), retain_graph=True)
    assert values(sl.grad(apply(SQUARE, x), (x, y), allow_unused=True)) == [[2.0], None]


def test_a_graph_is_used_once_unless_it_is_retained():
    x = leaf(3.0)
    y = apply(SQUARE, x)
    assert values(sl.grad(y, x, retain_graph=True)) == [[6.0]]
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]
    for again in (y.backward, lambda: sl.grad(y, x)):
        with pytest.raises(
            RuntimeError, match=r"freed this graph at square; .* or pass retain_graph=True the first time"
        ):
            again()
    assert values(sl.grad(y, y)) == [[1.0]]  # which passes through nothing


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda x, y: sl.grad(x.data, x), TypeError, r"outputs must be Tensors, but outputs\[0\] is a \w+"),
    (lambda x, y: sl.grad(y, (x, 3)), TypeError, r"inputs must be Tensors, but inputs\[1\] is a int"),
    (lambda x, y: sl.grad(y.detach(), x), RuntimeError, r"outputs\[0\] does not: it has no input with"),
    (lambda x, y: sl.grad(y, x.detach()), RuntimeError, r"inputs\[0\] does not"),
    (lambda x, y: sl.grad(y, x), ValueError, r"one element, but its shape is \(2,\)"),
    (lambda x, y: sl.grad(y, x, np.ones(3)), ValueError, r"g has \(3,\) and the Tensor \(2,\)"),
    (lambda x, y: sl.grad([y, y], x, [np.ones(2)]), ValueError, "one entry for each of the 2 outputs"),
    (lambda x, y: sl.grad([y, y], x, np.ones(2)), ValueError, "one entry for each of the 2 outputs"),
])  # fmt: skip
def test_wrong_calls(call, error, message):
    x = leaf(1.0, 2.0)
    with pytest.raises(error, match=message):
        call(x, apply(SQUARE, x))


def test_a_deep_graph():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = apply(ADD, y, x)
    assert values(sl.grad(y, x)) == [[20_001.0]]
