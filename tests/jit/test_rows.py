"""Softmax, cross entropy and normalisation of rows in machine code, against NumPy in float64."""

import numpy as np
import pytest

from sevenloops import backends
from tests.jit.guarded import guarded

pytest.importorskip("llvmlite")

LENGTHS = (2, 3, 10, 15, 16, 17, 63, 64, 65, 200, 1000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
@pytest.mark.parametrize("rows", [1, 7, 700])
@pytest.mark.parametrize("length", LENGTHS)
def test_softmax(length, rows, name, dtype):
    rng = np.random.default_rng(length)
    x = (rng.standard_normal((rows, length)) * 5).astype(dtype)
    g = rng.standard_normal((rows, length)).astype(dtype)
    eps = np.finfo(dtype).eps
    expected, by_x = np.empty((2, rows, length))
    backends.kernel(name, "forward", "numpy")(x.astype(float), expected, dim=1)
    with guarded((rows, length), dtype) as out:
        backends.kernel(name, "forward", "jit")(x, out, dim=1)
        np.testing.assert_allclose(out, expected, rtol=32 * eps, atol=8 * eps)
    y = expected.astype(dtype)
    backends.kernel(name, "gradient", "numpy")(g.astype(float), y.astype(float), by_x, dim=1)
    with guarded((rows, length), dtype) as out:
        backends.kernel(name, "gradient", "jit")(g, y, out, dim=1)
        # The sum of the gradients errs with the length of its chains of additions, longer where vectors are narrow.
        np.testing.assert_allclose(out, by_x, rtol=64 * eps, atol=8 * length**0.5 * eps)


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
@pytest.mark.parametrize("order", ["channels-last", "C", "F"])
def test_softmax_along_any_axis(name, order):
    x = np.random.default_rng(0).standard_normal((3, 5, 4, 6))
    if order == "channels-last":
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    elif order == "F":
        x = np.asfortranarray(x)
    for dim in range(4):
        out, expected = np.empty_like(x), np.empty_like(x)
        backends.kernel(name, "forward", "jit")(x, out, dim=dim)
        backends.kernel(name, "forward", "numpy")(x, expected, dim=dim)
        np.testing.assert_allclose(out, expected, rtol=1e-13)


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("everywhere", [False, True])
def test_softmax_of_what_is_not_finite(name, value, everywhere):
    x = np.random.default_rng(0).standard_normal((4, 37), dtype=np.float32)
    x[1] = value if everywhere else x[1]
    x[1, 5] = value
    out, expected = np.empty_like(x), np.empty_like(x)
    backends.kernel(name, "forward", "jit")(x, out, dim=1)
    backends.kernel(name, "forward", "numpy")(x, expected, dim=1)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", LENGTHS)
def test_cross_entropy(classes, dtype):
    rng = np.random.default_rng(classes)
    rows = 70
    logits = (rng.standard_normal((rows, classes, 1)) * 5).astype(dtype)
    labels, counted = rng.integers(0, classes, (rows, 1)), rng.random((rows, 1)) < 0.8
    weight = rng.uniform(0.5, 2, classes).astype(dtype)
    eps = np.finfo(dtype).eps
    losses, kept = backends.kernel("class_cross_entropy", "forward", "jit")(logits, labels, counted, weight, 0.0)
    expected, wide = backends.kernel("class_cross_entropy", "forward", "numpy")(
        logits.astype(float), labels, counted, weight.astype(float), 0.0
    )
    np.testing.assert_allclose(losses, expected, rtol=32 * eps, atol=32 * eps)
    for a, b in zip(kept, wide):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=64 * eps, atol=eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("rows", [1, 5, 300])
@pytest.mark.parametrize("length", [1, *LENGTHS])
def test_normalisation(length, rows, centred, dtype):
    rng = np.random.default_rng(length)
    x = rng.normal(3, 2, (rows, length)).astype(dtype)
    g = rng.standard_normal((rows, length)).astype(dtype)
    weight, bias = rng.standard_normal((2, length)).astype(dtype)
    eps, small = np.finfo(dtype).eps, 1e-3
    for w, b in ((weight, bias), (None, None), (weight, None)):
        wide = [None if a is None else a.astype(float) for a in (x, w, b)]
        y, dx = np.empty((2, rows, length))
        mean, rstd = backends.kernel("row_norm", "forward", "numpy")(*wide, small, centred, y)
        with guarded((rows, length), dtype) as out:
            found = backends.kernel("row_norm", "forward", "jit")(x, w, b, small, centred, out)
            np.testing.assert_allclose(out, y, rtol=256 * eps, atol=256 * eps)
        np.testing.assert_allclose(found[0], mean, rtol=4 * eps, atol=4 * eps)
        np.testing.assert_allclose(found[1], rstd, rtol=256 * eps)
        sums = backends.kernel("row_norm", "gradient", "numpy")(
            g.astype(float), wide[0], mean, rstd, wide[1], centred, True, dx
        )
        kernel = backends.kernel("row_norm", "gradient", "jit")
        scale = rstd.max()
        with guarded((rows, length), dtype) as out:
            found = kernel(g, x, mean, rstd, w, centred, True, out)
            np.testing.assert_allclose(out, dx, rtol=256 * eps, atol=256 * eps * scale)
            for a, b in zip(found, sums):
                np.testing.assert_allclose(a, b, rtol=256 * eps, atol=64 * eps * rows**0.5 * scale)
            again = out.copy()
            out[...] = 0
            kernel(g, x, mean, rstd, w, centred, False, out)
            np.testing.assert_array_equal(out, again)
        alone = kernel(g, x, mean, rstd, w, centred, True, None)
        for a, b in zip(found, alone):
            np.testing.assert_array_equal(a, b)


def test_rows_far_from_zero():
    rng = np.random.default_rng(0)
    x = rng.normal(1e4, 1, (20, 500)).astype(np.float32)
    out = np.empty_like(x)
    mean, rstd = backends.kernel("row_norm", "forward", "jit")(x, None, None, 0.0, True, out)
    exact = x.astype(float)
    np.testing.assert_allclose(mean, exact.mean(1), rtol=1e-9)
    np.testing.assert_allclose(rstd, 1 / exact.std(1), rtol=1e-5)
    np.testing.assert_allclose(out, (exact - exact.mean(1)[:, None]) / exact.std(1)[:, None], atol=1e-4)
