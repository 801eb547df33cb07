"""The kernels of normalisation by rows; their values are tested through the functions."""

import numpy as np
import pytest

from sevenloops.norm.rows import normalise_rows, normalise_rows_grad


@pytest.mark.parametrize("centred", [True, False])
def test_what_is_kept_of_the_rows(centred):
    x = np.random.default_rng(0).normal(3, 2, (200, 700)).astype(np.float32)
    out = np.empty_like(x)
    mean, rstd = normalise_rows(x, None, None, 0.5, centred, out)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(1) if centred else 0, rtol=1e-7)
    spread = exact.var(1) if centred else (exact**2).mean(1)
    np.testing.assert_allclose(rstd, (spread + 0.5) ** -0.5, rtol=1e-6)


@pytest.mark.parametrize("shape", [(6, 5), (40_000, 9), (100, 3000)])
def test_each_gradient_alone(shape):
    rng = np.random.default_rng(0)
    x, grad, weight = rng.standard_normal(shape), rng.standard_normal(shape), rng.standard_normal(shape[1])
    out, only = np.empty_like(x), np.empty_like(x)
    mean, rstd = normalise_rows(x, weight, None, 1e-5, True, out)
    alone = normalise_rows_grad(grad, x, mean, rstd, weight, True, True, None)
    both = normalise_rows_grad(grad, x, mean, rstd, weight, True, True, out)
    for found, expected in zip(alone, both):
        np.testing.assert_array_equal(found, expected)
    normalise_rows_grad(grad, x, mean, rstd, weight, True, False, only)
    np.testing.assert_array_equal(only, out)
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(both[0], (grad * normal).sum(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(both[1], grad.sum(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(out.sum(1), 0, atol=1e-10)
