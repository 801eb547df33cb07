"""The cut normal distribution, by its distribution function; the others are in test_init."""

import math

import numpy as np
import pytest

from sevenloops.nn import init


def phi(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


@pytest.mark.parametrize(("mean", "std", "a", "b"), [
    (0, 1, -2, 2), (0.5, 2, -2, 2), (3, 0.5, 0, 2.5), (0, 1, 1, 9), (0, 1, -0.05, 0.02), (0, 1, 4, 5), (-9, 3, 3, 99),
])  # fmt: skip
def test_the_distribution(mean, std, a, b):
    """Kolmogorov and Smirnov: with 20,000 numbers a deviation of 0.014 has a probability of less than 0.001."""
    x = np.sort(init.trunc_normal_(np.zeros(20_000), mean, std, a, b, rng=0))
    assert a <= x[0] < x[-1] <= b
    low, high = phi((a - mean) / std), phi((b - mean) / std)
    expected = np.array([(phi((value - mean) / std) - low) / (high - low) for value in x])
    assert np.abs(expected - np.arange(len(x)) / len(x)).max() < 0.014


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounding_does_not_leave_the_interval(dtype):
    x = init.trunc_normal_(np.zeros((50, 50), dtype), std=1.0, a=-0.1, b=0.1, rng=0)
    assert np.abs(x.astype(np.float64)).max() <= 0.1
    assert np.unique(x).size > 300
    assert x.dtype == dtype


def test_far_out_in_a_tail():
    x = init.trunc_normal_(np.zeros(1000), a=1e8, b=1e9, rng=0)
    assert x.min() >= 1e8
    assert x.max() < 1e8 + 1e-6
    assert init.trunc_normal_(np.zeros(1000), a=-50, b=-20, rng=0).max() <= -20


def test_seeds_and_what_is_empty():
    draw = [init.trunc_normal_(np.zeros(5), rng=seed).tolist() for seed in (0, 0, 1)]
    assert draw[0] == draw[1] != draw[2]
    assert init.trunc_normal_(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(("options", "message"), [
    ({"std": 0}, "std must be positive"), ({"a": 2}, "a must be less than b, but got a=2.0 and b=2.0"),
    ({"mean": np.inf}, "mean must be finite"),
])  # fmt: skip
def test_wrong_values(options, message):
    with pytest.raises(ValueError, match=message):
        init.trunc_normal_(np.zeros(3), **options)
