"""Masks: exactly the rate that was asked for, independent, and reproducible."""

import math

import numpy as np
import pytest

from sevenloops import activations
from sevenloops.activations.dropout import draw


@pytest.mark.parametrize("p", [0.5, 0.1, 0.25, 0.9, 1 / 3, 0.001, 1e-6, 0.999, 0.4983])
def test_the_rate(p):
    """The number of zeros is within five standard deviations, which are 1/2000 of the rate of 1/2."""
    n = 4_000_000
    dropped = n - np.count_nonzero(draw((n,), p, np.random.default_rng(0)))
    assert abs(dropped - n * p) <= 5 * math.sqrt(n * p * (1 - p))


def test_the_rate_is_not_rounded_to_bytes():
    """Where the byte alone cannot decide, the rest of the probability does: counted over all of its values."""

    class Bytes:
        """Every byte once, 65536 times over; then evenly spread numbers."""

        def integers(self, low, high, size, dtype):
            return np.tile(np.arange(256, dtype=np.uint8), 1 << 16).view(np.uint64)[:size]

        def random(self, size):
            return (np.arange(size) + 0.5) / size

    n = 256 << 16
    for p in (0.1, 1 / 3, 0.7, 0.123456):
        assert abs(np.count_nonzero(draw((n,), p, Bytes())) / n - (1 - p)) <= 1 / n


def test_neighbours_are_independent():
    keep = draw((1 << 20,), 0.3, np.random.default_rng(0)).astype(float) - 0.7
    for lag in (1, 2, 4, 8, 64):
        correlation = (keep[:-lag] * keep[lag:]).mean() / 0.21
        assert abs(correlation) <= 5 / 1024


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5), (2, 3, 4, 5)])
def test_shapes(shape):
    keep = draw(shape, 0.5, np.random.default_rng(0))
    assert (keep.shape, keep.dtype, keep.itemsize) == (shape, bool, 1)


def test_certain_cases():
    rng = np.random.default_rng(0)
    assert draw((1000,), 0.0, rng).all()
    assert not draw((1000,), 1.0, rng).any()
    assert draw((1000,), 1e-30, rng).all()


def test_a_generator_goes_on_and_a_seed_repeats():
    rng = np.random.default_rng(5)
    first, second = draw((1000,), 0.5, rng), draw((1000,), 0.5, rng)
    again = np.random.default_rng(5)
    np.testing.assert_array_equal(draw((1000,), 0.5, again), first)
    np.testing.assert_array_equal(draw((1000,), 0.5, again), second)
    assert (first != second).any()


def test_the_maps():
    x, keep = np.array([1.0, -2.0, 3.0]), np.array([True, False, True])
    out = np.empty(3)
    activations.kernel("dropout", "forward")(x, keep, out, p=0.75)
    assert out.tolist() == [4, 0, 12]
    activations.kernel("dropout", "gradient")(x, keep, out, p=0.75)
    assert out.tolist() == [4, 0, 12]
    # selu's lower limit, -1.758…, in place of what is dropped, then the same mean and variance as before.
    limit, p = -1.6732632423543772 * 1.0507009873554805, 0.25
    a = (1 - p + p * (1 - p) * limit**2) ** -0.5
    b = -a * p * limit
    activations.kernel("alpha_dropout", "forward")(x, keep, out, p=p)
    np.testing.assert_allclose(out, [a + b, a * limit + b, 3 * a + b], rtol=1e-14)
    activations.kernel("alpha_dropout", "gradient")(x, keep, out, p=p)
    np.testing.assert_allclose(out, [a, 0, 3 * a], rtol=1e-14)
