"""The error function and the normal tail against Python's own, on dense grids and in the tails."""

import math

import numpy as np
import pytest

from sevenloops import activations
from sevenloops.activations.error_function import normal_tail

DENSE = np.concatenate([
    np.linspace(-7, 7, 40001),
    np.linspace(-1.1, 1.1, 20001),  # across the ends of the pieces
    np.logspace(-320, 1.5, 3000),
    -np.logspace(-320, 1.5, 3000),
])  # fmt: skip


@pytest.mark.parametrize(("dtype", "units"), [(np.float64, 4), (np.float32, 4)])
def test_erf(dtype, units):
    x = DENSE.astype(dtype)
    y = np.full_like(x, np.nan)
    activations.kernel("erf", "forward")(x, y)
    expected = np.array([math.erf(float(v)) for v in x])
    assert np.all(np.abs(y - expected) <= units * np.spacing(np.abs(expected).astype(dtype)))
    assert np.all(np.signbit(y) == np.signbit(x))
    assert np.all(np.abs(y) <= 1)


def test_erf_of_what_is_not_finite():
    x = np.array([-np.inf, np.inf, np.nan, -0.0, 1e300])
    y = np.empty_like(x)
    activations.kernel("erf", "forward")(x, y)
    np.testing.assert_array_equal(y, [-1, 1, np.nan, -0.0, 1])
    assert np.signbit(y[3])


def test_erf_does_not_mix_up_the_elements_of_an_array_with_axes():
    """Those far out are computed apart."""
    x = np.random.default_rng(0).standard_normal((7, 5, 3)) * 6
    y = np.empty_like(x)
    activations.kernel("erf", "forward")(x, y)
    for at in np.ndindex(x.shape):
        assert y[at] == pytest.approx(math.erf(x[at]), rel=1e-15)


def test_the_tail_in_double_precision():
    """Φ(-y) is exp(-y²/2) times a function without surprises; the exponential is exact to its last digits."""
    y = np.concatenate([np.linspace(0, 10, 20001), np.linspace(10, 37, 1001)])
    tail, gauss = normal_tail(y)
    for v, t, g in zip(y, tail, gauss):
        square = float(v) * float(v)
        lost = math.fma(v, v, -square) if hasattr(math, "fma") else _lost(float(v))
        exact = math.exp(-square / 2) * (1 - lost / 2)
        assert g == pytest.approx(exact, rel=2e-15)
        assert t == pytest.approx(math.erfc(v / math.sqrt(2)) / 2, rel=4e-16 * (4 + v * v))
    assert tail[0] == 0.5


def _lost(v):
    """Return v² minus its rounded value, by Dekker's product."""
    scaled = v * 134217729.0
    high = scaled - (scaled - v)
    low = v - high
    return ((high * high - v * v) + 2 * high * low) + low * low


def test_the_tail_in_single_precision():
    y = np.linspace(0, 13, 20001).astype(np.float32)
    tail, _ = normal_tail(y)
    expected = np.array([math.erfc(float(v) / math.sqrt(2)) / 2 for v in y])
    assert np.all(np.abs(tail - expected) <= expected * (6e-7 + 6e-8 * y.astype(np.float64) ** 2 / 2) + 2e-45)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tail_ends_at_zero(dtype):
    with np.errstate(over="ignore"):
        tail, gauss = normal_tail(np.array([40, 64, 1e4, 1e30, np.inf], dtype))
    assert not tail.any()
    assert not gauss.any()
