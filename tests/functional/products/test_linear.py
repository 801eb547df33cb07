"""The affine map, against its sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients
from tests.helpers.cases import MEMORIES, arranged, snapshot


def by_hand(x, weight, bias=None):
    y = np.zeros((*x.shape[:-1], len(weight)))
    for where in np.ndindex(x.shape[:-1]):
        for o in range(len(weight)):
            y[where][o] = 0 if bias is None else bias[o]
            for i in range(x.shape[-1]):
                y[where][o] += weight[o, i] * x[where][i]
    return y


@given(
    lead=st.lists(st.integers(0, 3), max_size=3).map(tuple),
    sizes=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    with_bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_values_and_gradients(lead, sizes, with_bias, seed):
    inputs, outputs = sizes
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(s) for s in ((*lead, inputs), (outputs, inputs), (outputs,))][: 2 + with_bias]
    expected = by_hand(*arrays)
    y = sl.linear(*arrays)
    assert y.shape == (*lead, outputs)
    np.testing.assert_allclose(y, expected, atol=1e-13)
    np.testing.assert_array_equal(sl.linear(*map(sl.Tensor, arrays)).numpy(), y)
    check_gradients(sl.linear, *arrays, seed=seed)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
def test_gradients_of_some_arguments(wanted):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in ((4, 3), (5, 3), (5,))]
    g = rng.standard_normal((4, 5))
    tensors = [sl.Tensor(array, requires_grad=i in wanted) for i, array in enumerate(arrays)]
    sl.linear(*tensors).backward(g)
    expected = (by_hand(g, arrays[1].T), by_hand(g.T, arrays[0].T), by_hand(np.ones((1, 4)), g.T)[0])
    for i, tensor in enumerate(tensors):
        if i in wanted:
            np.testing.assert_allclose(tensor.grad, expected[i], atol=1e-13)
        else:
            assert tensor.grad is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_is_kept_and_half_computes_in_single(dtype):
    x, weight, bias = (sl.Tensor(np.ones(s, dtype), requires_grad=True) for s in ((4096, 1), (1, 1), (1,)))
    sl.linear(x, weight, bias).backward(np.ones((4096, 1), dtype))
    assert weight.grad.dtype == bias.grad.dtype == x.grad.dtype == dtype
    assert weight.grad.item() == bias.grad.item() == 4096
    long = sl.linear(np.ones((1, 4096), dtype), np.ones((1, 4096), dtype))
    assert long.dtype == dtype
    assert long.item() == 4096


@pytest.mark.parametrize("memory", [m for m in MEMORIES if m != "channels-last"])
def test_any_memory(memory):
    rng = np.random.default_rng(0)
    x, weight, bias, g = (arranged(rng.standard_normal(s), memory) for s in ((2, 4, 3), (5, 3), (5,), (2, 4, 5)))
    before = snapshot(x, weight, bias, g)
    tensors = [sl.Tensor(array, requires_grad=True) for array in (x, weight, bias)]
    y = sl.linear(*tensors)
    y.backward(g.astype(np.float64))
    np.testing.assert_allclose(y.numpy(), by_hand(x, weight, bias), atol=1e-13)
    np.testing.assert_allclose(sl.linear(x, weight, bias), by_hand(x, weight, bias), atol=1e-13)
    np.testing.assert_allclose(tensors[0].grad, by_hand(g, weight.T), atol=1e-13)
    np.testing.assert_allclose(tensors[1].grad, by_hand(g.reshape(8, 5).T, x.reshape(8, 3).T), atol=1e-13)
    assert snapshot(x, weight, bias, g) == before


@pytest.mark.parametrize(("shapes", "message"), [
    (((4, 3), (3, 5), (5,)), r"x has shape \(4, 3\) and weight \(out_features, in_features\) is \(3, 5\)"),
    (((), (3, 5), (3,)), "The last axis of x must have"),
    (((4, 3), (3,), (1,)), r"weight must have the shape \(out_features, in_features\), but its shape is \(3,\)"),
    (((4, 3), (5, 3), (5, 1)), r"bias must have .* shape \(5,\), but its shape is \(5, 1\)"),
    (((4, 3), (5, 3), (3,)), r"bias must have .* shape \(5,\), but its shape is \(3,\)"),
])  # fmt: skip
def test_wrong_shapes(shapes, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        sl.linear(*(np.ones(shape) for shape in shapes))


def test_dtypes_do_not_mix():
    with pytest.raises(TypeError, match="x is float64, weight is float32"):
        sl.linear(np.ones((1, 2)), np.ones((3, 2), np.float32))
