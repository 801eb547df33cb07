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


def test_the_gradient_of_the_parameters_alone():
    rng = np.random.default_rng(0)
    x, grad, weight = rng.standard_normal((6, 5)), rng.standard_normal((6, 5)), rng.standard_normal(5)
    out = np.empty_like(x)
    mean, rstd = normalise_rows(x, weight, None, 1e-5, True, out)
    alone = normalise_rows_grad(grad, x, mean, rstd, weight, True, None)
    for found, expected in zip(alone, normalise_rows_grad(grad, x, mean, rstd, weight, True, out)):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(out.sum(1), 0, atol=1e-12)
