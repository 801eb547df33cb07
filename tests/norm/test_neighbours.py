"""The kernels of local response normalisation; their values are tested through the function."""

import numpy as np

from sevenloops.norm.neighbours import local_response, local_response_grad


def test_no_input_is_written_to():
    rng = np.random.default_rng(0)
    x, grad = rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 5, 3))
    before = x.copy(), grad.copy()
    out = np.full_like(x, np.nan)
    local_response(x, 3, 0.5, 0.75, 1.0, out)
    assert np.isfinite(out).all()
    local_response_grad(grad, x, 3, 0.5, 0.75, 1.0, out)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(grad, before[1])


def test_windows_are_one_sided_where_the_size_is_even():
    """Of size 2 the window of channel c is c - 1 and c."""
    x = np.array([[[1.0], [10.0], [100.0]]])
    out = np.empty_like(x)
    local_response(x, 2, 2.0, 1.0, 0.0, out)
    np.testing.assert_allclose(out[0, :, 0], [1 / 1, 10 / 101, 100 / 10100])
