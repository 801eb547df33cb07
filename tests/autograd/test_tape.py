"""`apply`: what is recorded, and what comes back."""

import numpy as np
import pytest

from sevenloops.autograd import Node, Operation, Tensor, apply, enable_grad, no_grad


def _scaled(x, shift, *, factor):
    return (x * factor if shift is None else x * factor + shift), factor


SCALED = Operation(
    "scaled", _scaled, lambda grad, saved, needs, *, factor: (grad * saved, grad if needs[1] else None)
)
SPLIT = Operation("split", lambda x: ((x * 2, np.argsort(x), "note"), None), lambda grad, saved, needs: (grad * 2,))
TOTAL = Operation("total", lambda x: (x.sum(), x.shape), lambda grad, saved, needs: (np.broadcast_to(grad, saved),))


def leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


def test_arrays_in_array_out():
    x = np.array([1.0, 2.0])
    result = apply(SCALED, x, None, factor=3.0)
    assert type(result) is np.ndarray
    assert result.tolist() == [3.0, 6.0]


def test_a_scalar_result_is_an_array_without_axes():
    for x in (np.array([1.0, 2.0]), Tensor([1.0, 2.0])):
        result = apply(TOTAL, x)
        array = result.data if isinstance(result, Tensor) else result
        assert type(array) is np.ndarray
        assert array.shape == ()


@pytest.mark.parametrize("inputs", [(Tensor([1.0]), None), (Tensor([1.0]), np.ones(1)), (np.ones(1), Tensor([1.0]))])
def test_any_tensor_in_tensor_out(inputs):
    result = apply(SCALED, *inputs, factor=3.0)
    assert isinstance(result, Tensor)
    assert not result.requires_grad
    assert result.is_leaf


def test_what_a_node_holds():
    x, constant = leaf(1.0, 2.0), Tensor([5.0, 5.0])
    inner = apply(SCALED, x, None, factor=3.0)
    outer = apply(SCALED, inner, constant, factor=2.0)
    assert isinstance(inner.node, Node)
    assert inner.node.inputs == (x, None)
    assert outer.node.inputs[0] is inner.node
    assert outer.node.inputs[1] is constant.data
    assert outer.node.needs == (True, False)
    assert outer.node.operation is SCALED
    assert outer.node.attributes == {"factor": 2.0}
    assert outer.node.saved == 2.0
    assert (outer.node.shape, outer.node.dtype) == ((2,), np.float64)
    assert "scaled" in repr(outer.node)


def test_only_the_first_of_several_results_is_a_tensor():
    doubled, order, note = apply(SPLIT, leaf(3.0, 1.0))
    assert isinstance(doubled, Tensor)
    assert doubled.requires_grad
    assert type(order) is np.ndarray
    assert note == "note"
    assert isinstance(apply(SPLIT, np.ones(2)), tuple)


def test_nothing_is_recorded_without_grad():
    x = leaf(1.0)
    with no_grad():
        quiet = apply(SCALED, x, None, factor=2.0)
        with enable_grad():
            loud = apply(SCALED, x, None, factor=2.0)
    assert quiet.node is None
    assert not quiet.requires_grad
    assert loud.requires_grad


def test_a_vjp_learns_what_is_needed():
    seen = []
    operation = Operation("seen", lambda a, b: (a + b, None), lambda g, s, needs: (seen.append(needs), (g, g))[1])
    apply(operation, leaf(1.0), Tensor([1.0])).backward()
    apply(operation, Tensor([1.0]), leaf(1.0)).backward()
    apply(operation, leaf(1.0), np.ones(1)).backward()
    assert seen == [(True, False), (False, True), (True, False)]
