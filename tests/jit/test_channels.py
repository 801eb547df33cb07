"""Normalisation by channels in machine code, against NumPy in float64: every order of memory, group and block."""

import numpy as np
import pytest

from sevenloops import backends
from tests.jit.guarded import guarded

pytest.importorskip("llvmlite")

SHAPES = (
    *((2, 1, 3, 4), (3, 4, 5, 6), (5, 6), (7, 4, 9), (1, 8, 1, 1), (2, 4, 1, 5), (1, 1, 1, 2), (4, 64, 8, 8)),
    *((2, 16, 40, 41), (2, 70, 9, 11), (3, 130, 2, 3), (2, 6, 2, 3, 4), (1, 2, 300, 301)),
)


def kernel(direction, backend="jit"):
    return backends.kernel("channel_norm", direction, backend)


def arrange(array, channels_last):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1) if channels_last else array


def order_of(shape, channels_last):
    axes = list(range(len(shape)))
    return [0, *axes[2:], 1] if channels_last else axes


def case(shape, dtype, channels_last, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, shape).astype(dtype)
    g = rng.standard_normal(shape).astype(dtype)
    weight, bias = rng.standard_normal((2, shape[1])).astype(dtype)
    return arrange(x, channels_last), arrange(g, channels_last), weight, bias


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("grouping", ["batch", "one", "two", "each"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_numpy_in_float64(shape, grouping, channels_last, dtype):
    groups = {"batch": None, "one": 1, "two": 2 if shape[1] % 2 == 0 else 1, "each": shape[1]}[grouping]
    x, g, weight, bias = case(shape, dtype, channels_last)
    wide = [np.ascontiguousarray(a, np.float64) for a in (x, g, weight, bias)]
    eps = np.finfo(dtype).eps
    mean, variance = kernel("statistics")(x, groups)
    expected = kernel("statistics", "numpy")(wide[0], groups)
    np.testing.assert_allclose(mean, expected[0], rtol=8 * eps, atol=8 * eps)
    np.testing.assert_allclose(variance, expected[1], rtol=64 * eps, atol=64 * eps)
    mean, variance = expected
    rstd = 1 / np.sqrt(variance + 1e-3)
    y = np.empty(shape)
    kernel("forward", "numpy")(wide[0], mean, rstd, wide[2], wide[3], groups, y)
    with guarded(shape, dtype, order_of(shape, channels_last)) as out:
        kernel("forward")(x, mean, rstd, weight, bias, groups, out)
        np.testing.assert_allclose(out, y, rtol=1e3 * eps, atol=1e2 * eps)
    for constant in (False, True):
        for given in (weight, None):
            dx = np.empty(shape)
            sums = kernel("gradient", "numpy")(
                wide[1], wide[0], mean, rstd, None if given is None else wide[2], groups, constant, dx
            )
            with guarded(shape, dtype, order_of(shape, channels_last)) as out:
                found = kernel("gradient")(g, x, mean, rstd, given, groups, constant, out)
                np.testing.assert_allclose(out, dx, rtol=1e3 * eps, atol=100 * eps * rstd.max())
            alone = kernel("gradient")(g, x, mean, rstd, given, groups, constant, None)
            for a, b, c in zip(found, sums, alone):
                np.testing.assert_allclose(a, b, rtol=1e3 * eps, atol=30 * eps * np.sqrt(x.size))
                np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("kind", ["random", "sorted", "outlier"])
def test_variance_wherever_the_mean_is(channels_last, kind):
    rng = np.random.default_rng(0)
    for mean in (0, 1, 1e3, 1e5):
        x = rng.normal(mean, 1, (4, 3, 30, 40))
        if kind == "sorted":
            x = np.sort(x.reshape(4, 3, -1), 2).reshape(x.shape)
        if kind == "outlier":
            x[:, :, 0, 0] = mean + 1e4
        x = arrange(x.astype(np.float32), channels_last)
        exact = np.moveaxis(x.astype(np.float64), 1, 0).reshape(3, -1)
        found = kernel("statistics")(x, None)
        np.testing.assert_allclose(found[0][0], exact.mean(1), rtol=1e-12, atol=2e-7 if kind != "outlier" else 1e-4)
        np.testing.assert_allclose(found[1][0], exact.var(1), rtol=2**-20)


@pytest.mark.parametrize("channels_last", [False, True])
def test_bits_are_the_same_from_call_to_call(channels_last):
    x, g, weight, bias = case((8, 32, 40, 40), np.float32, channels_last)
    results = set()
    for _ in range(5):
        mean, variance = kernel("statistics")(x, None)
        y, dx = np.empty_like(x), np.empty_like(x)
        kernel("forward")(x, mean, variance, weight, bias, None, y)
        sums = kernel("gradient")(g, x, mean, variance, weight, None, False, dx)
        results.add(b"".join(a.tobytes() for a in (mean, variance, y, dx, *sums)))
    assert len(results) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("channels_last", [False, True])
def test_what_is_not_finite_stays_in_its_channel(value, channels_last):
    x, _, weight, bias = case((2, 5, 6, 7), np.float32, channels_last)
    x[1, 2, 3, 4] = value
    mean, variance = kernel("statistics")(x, None)
    expected = kernel("statistics", "numpy")(x, None)
    np.testing.assert_array_equal(np.isfinite(variance), np.isfinite(expected[1]))
    y = np.empty_like(x)
    kernel("forward")(x, mean, 1 / np.sqrt(variance), weight, bias, None, y)
    assert np.isfinite(np.delete(y, 2, 1)).all()
    assert np.isnan(y[:, 2]).all()


def test_other_memory_is_left_to_numpy():
    x = np.random.default_rng(0).standard_normal((4, 6, 5, 8))[:, ::2, :, ::-1]
    np.testing.assert_allclose(kernel("statistics")(x, None)[0][0], x.mean((0, 2, 3)))
