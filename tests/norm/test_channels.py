"""The kernels of normalisation by channels; their values are tested through the functions."""

import numpy as np
import pytest

from sevenloops import backends
from sevenloops.norm import kernel
from sevenloops.norm.channels import normalise_grad, statistics


@pytest.mark.parametrize("groups", [None, 1, 2, 4])
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (2, 4), (5, 4, 3)])
def test_statistics(shape, groups):
    x = np.random.default_rng(0).normal(5, 2, shape)
    mean, variance = statistics(x, groups)
    if groups is None:
        values = np.moveaxis(x, 1, 0).reshape(1, 4, -1)
    else:
        values = x.reshape(shape[0], groups, -1)
    np.testing.assert_allclose(mean, values.mean(2))
    np.testing.assert_allclose(variance, values.var(2), atol=1e-12)
    assert mean.dtype == variance.dtype == np.float64


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_variance_of_float32_is_good_to_the_last_digits_wherever_the_mean_is(channels_last):
    """The bound of the docstring: not more than four of 24 bits are lost, so 20 are right."""
    rng = np.random.default_rng(0)
    for mean in (0, 1, 1e3, 1e5):
        x = rng.normal(mean, 1, (4, 30, 40, 3) if channels_last else (4, 3, 30, 40)).astype(np.float32)
        x = np.moveaxis(x, -1, 1) if channels_last else x
        exact = np.moveaxis(x.astype(np.float64), 1, 0).reshape(3, -1)
        found = statistics(x, None)
        np.testing.assert_allclose(found[0][0], exact.mean(1), rtol=1e-12, atol=1e-7)
        np.testing.assert_allclose(found[1][0], exact.var(1), rtol=2**-20)


def test_the_gradient_of_the_parameters_alone():
    rng = np.random.default_rng(0)
    x, grad = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 4, 5))
    mean, variance = statistics(x, None)
    rstd = 1 / np.sqrt(variance)
    out = np.empty_like(x)
    without = normalise_grad(grad, x, mean, rstd, None, None, False, None)
    for found, expected in zip(without, normalise_grad(grad, x, mean, rstd, None, None, False, out)):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(out.sum((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose((out * x).sum((0, 2, 3)), 0, atol=1e-11)  # a longer x gives the same result


@pytest.mark.parametrize(("name", "directions"), [
    ("channel_norm", ("statistics", "forward", "gradient")),
    ("row_norm", ("forward", "gradient")),
    ("local_response_norm", ("forward", "gradient")),
])  # fmt: skip
def test_each_is_in_the_table_of_backends(name, directions):
    for direction in directions:
        assert "numpy" in backends.backends_of(name, direction)
        assert callable(kernel(name, direction))
