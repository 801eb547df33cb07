"""Local response norm, against its definition; gradients are in gradient_cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients


@given(
    shape=st.tuples(*[st.integers(1, 5)] * 4).flatmap(lambda s: st.integers(3, 4).map(lambda n: s[:n])),
    size=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
)
def test_values_and_gradients(shape, size, seed):
    x = np.random.default_rng(seed).standard_normal(shape)
    expected = np.empty_like(x)
    for c in range(shape[1]):
        total = sum(x[:, j] ** 2 for j in range(c - size // 2, c + (size - 1) // 2 + 1) if 0 <= j < shape[1])
        expected[:, c] = x[:, c] / (1.5 + 0.5 / size * total) ** 0.75
    np.testing.assert_allclose(sl.local_response_norm(x, size, 0.5, k=1.5), expected, rtol=1e-12)
    check_gradients(lambda x: sl.local_response_norm(x, size, 0.5, k=1.5), x, seed=seed)


def test_dtype_and_memory_order_are_kept():
    x = np.moveaxis(np.full((2, 5, 5, 3), 100, np.float16), -1, 1)
    y = sl.local_response_norm(x, 3, alpha=1.0, beta=1.0)  # the squares are no float16 when summed up
    assert y.dtype == np.float16
    assert y.strides == x.strides
    np.testing.assert_allclose(y[0, :, 0, 0], [100 / (1 + 2e4 / 3), 100 / (1 + 1e4), 100 / (1 + 2e4 / 3)], rtol=1e-3)
    assert sl.local_response_norm(np.ones((0, 3, 2)), 3).shape == (0, 3, 2)


def test_wrong_arguments():
    with pytest.raises(sl.errors.ShapeError, match=r"\(N, C, \*spatial\), but its shape is \(2, 3\)"):
        sl.local_response_norm(np.ones((2, 3)), 2)
    with pytest.raises(sl.errors.ShapeError, match="size must be at least 1"):
        sl.local_response_norm(np.ones((2, 3, 1)), 0)
    with pytest.raises(TypeError, match="alpha"):
        sl.local_response_norm(np.ones((2, 3, 1)), 2, "1")
