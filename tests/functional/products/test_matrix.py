"""The matrix product, against its sums."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.functional.products.matrix import matmul
from sevenloops.testing import check_gradients
from tests.helpers.cases import MEMORIES, arranged, snapshot


@st.composite
def operands(draw):
    """Two shapes that matmul accepts: vectors, matrices, and batches that broadcast."""
    m, k, n = (draw(st.integers(0, 3)) for _ in range(3))
    batch = draw(st.lists(st.integers(0, 2), max_size=2))
    shapes = []
    for matrix, vector in (((m, k), (k,)), ((k, n), (k,))):
        if draw(st.integers(0, 3)) == 0:
            shapes.append(vector)
        else:
            lead = [1 if draw(st.booleans()) else length for length in batch]
            shapes.append((*lead[draw(st.integers(0, len(lead))) :], *matrix))
    return tuple(shapes)


def product_by_hand(a, b):
    left = a[None] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*batch, *left.shape[-2:]))
    right = np.broadcast_to(right, (*batch, *right.shape[-2:]))
    result = np.zeros((*batch, left.shape[-2], right.shape[-1]))
    for index in itertools.product(*map(range, result.shape)):
        *where, i, j = index
        result[index] = sum(left[(*where, i, k)] * right[(*where, k, j)] for k in range(left.shape[-1]))
    if b.ndim == 1:
        result = result[..., 0]
    return result[..., 0, :] if a.ndim == 1 and b.ndim > 1 else result[..., 0] if a.ndim == 1 else result


@given(shapes=operands(), seed=st.integers(0, 2**32 - 1))
def test_values_and_gradients(shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(shape) for shape in shapes)
    expected = product_by_hand(a, b)
    result = (sl.Tensor(a) @ b).numpy()
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=1e-13)
    np.testing.assert_array_equal(matmul(a, b), result)
    check_gradients(matmul, a, b, seed=seed)
    check_gradients(lambda x: a @ x, b, seed=seed)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtype_is_kept_and_half_computes_in_single(dtype):
    a, b = np.full((1, 4096), 1, dtype), np.full((4096, 1), 1, dtype)
    x = sl.Tensor(a, requires_grad=True)
    y = x.matmul(b)
    y.backward()
    assert y.dtype == x.grad.dtype == dtype
    assert y.item() == 4096
    row = sl.Tensor(np.ones((1, 2), dtype), requires_grad=True)
    (row @ np.ones((4096, 2, 1), dtype)).backward(np.ones((4096, 1, 1), dtype))
    assert row.grad.tolist() == [[4096, 4096]]


@pytest.mark.parametrize("memory", [m for m in MEMORIES if m != "channels-last"])
def test_any_memory(memory):
    rng = np.random.default_rng(0)
    a, b, g = (arranged(rng.standard_normal(s), memory) for s in ((4, 2, 3), (3, 5), (4, 2, 5)))
    before = snapshot(a, b, g)
    x, y = sl.Tensor(a, requires_grad=True), sl.Tensor(b, requires_grad=True)
    result = x @ y
    result.backward(g.astype(np.float64))
    np.testing.assert_allclose(result.numpy(), product_by_hand(a, b), atol=1e-13)
    np.testing.assert_allclose(x.grad, product_by_hand(g, b.T), atol=1e-13)
    np.testing.assert_allclose(y.grad, sum(product_by_hand(p.T, q) for p, q in zip(a, g)), atol=1e-13)
    assert snapshot(a, b, g) == before


@pytest.mark.parametrize(("left", "right", "message"), [
    ((), (2,), r"at least one axis, but their shapes are \(\) and \(2,\)"),
    ((2, 3), (2, 3), r"the last but one axis of the right one, but 3 differs from 2"),
    ((2, 3), (2,), "the only axis of the right one, but 3 differs from 2"),
    ((2, 1, 3), (3, 3, 1), r"leading axes .* must broadcast .* \(2, 1, 3\) and \(3, 3, 1\)"),
])  # fmt: skip
def test_wrong_shapes(left, right, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        matmul(np.ones(left), np.ones(right))
