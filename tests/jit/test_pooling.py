"""Pooling in machine code: bit for bit the maxima of NumPy's kernels, and their averages but for rounding."""

import random
from math import prod

import numpy as np
import pytest

from sevenloops import backends
from sevenloops.errors import ShapeError
from sevenloops.geometry import AdaptiveGeometry, PoolGeometry
from sevenloops.pooling import algorithms, average
from tests.jit.guarded import guarded

pytest.importorskip("llvmlite")
assert algorithms  # importing the package fills the table

COMMON = [
    ((2, 3, 8, 8), {"kernel_size": 2}),
    ((2, 6, 28, 28), {"kernel_size": 2}),
    ((2, 64, 9, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((1, 70, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ((3, 17, 12), {"kernel_size": 3, "stride": 1, "padding": 1}),
    ((2, 5, 16, 11), {"kernel_size": (2, 3), "stride": (3, 1), "dilation": (2, 3)}),
]


def cases():
    yield from COMMON
    rng, found = random.Random(0), 0
    while found < 60:
        axes = rng.choice([1, 2, 2])
        shape = (rng.randint(1, 3), rng.choice([1, 2, 16, 33]), *(rng.randint(1, 12) for _ in range(axes)))
        kernel = tuple(rng.randint(1, 4) for _ in range(axes))
        options = {
            "kernel_size": kernel,
            "stride": tuple(rng.randint(1, 4) for _ in range(axes)),
            "dilation": tuple(rng.choice([1, 1, 2]) for _ in range(axes)),
            "padding": tuple(rng.randint(0, k // 2) for k in kernel),
            "ceil_mode": rng.random() < 0.3,
        }
        try:
            PoolGeometry.forward(shape, **options)
        except ShapeError:
            continue
        found += 1
        yield shape, options


def order(ndim, last):
    return [0, *range(2, ndim), 1] if last else range(ndim)


def arranged(array, last):
    axes = order(array.ndim, last)
    return np.ascontiguousarray(array.transpose(*axes)).transpose(np.argsort(axes))


def check(geometry, names, last, dtype):
    """Run all four kernels of one geometry; `names` are those of the operations in machine code and in NumPy."""
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, geometry.x_shape).astype(dtype)  # with many equals
    x.flat[rng.integers(0, x.size, 2)] = [np.nan, -np.inf]
    g = rng.standard_normal(geometry.out_shape).astype(dtype)
    xl, gl = arranged(x, last), arranged(g, last)
    shape = geometry.out_shape
    maxima, places = np.empty(shape, dtype), np.empty(shape, np.int64)
    backends.kernel(f"{names[1]}max_pool{names[3]}", "forward", "numpy")(x, geometry, maxima, places)

    def find(what, direction):
        return backends.kernel(f"{names[0]}{what}{names[2]}", direction, "jit")

    with guarded(shape, dtype, order(len(shape), last)) as out:
        with guarded(shape, np.int64, order(len(shape), last)) as indices:
            find("max_pool", "forward")(xl, geometry, out, indices)
            np.testing.assert_array_equal(out, maxima)
            np.testing.assert_array_equal(indices, places)
            dx = np.empty(x.shape, dtype)
            backends.kernel(f"{names[1]}max_pool{names[3]}", "input_grad", "numpy")(g, places, geometry, dx)
            with guarded(x.shape, dtype, order(x.ndim, last)) as by_x:
                find("max_pool", "input_grad")(gl, indices, geometry, by_x)
                np.testing.assert_allclose(by_x, dx, rtol=1e-5, atol=1e-6)
        small = np.min_scalar_type(-prod(geometry.input_size))
        with guarded(shape, small, order(len(shape), last)) as indices:
            find("max_pool", "forward")(xl, geometry, out, indices)
            np.testing.assert_array_equal(indices, places)
            by_x = np.empty_like(xl)
            find("max_pool", "input_grad")(gl, indices, geometry, by_x)
            np.testing.assert_allclose(by_x, dx, rtol=1e-5, atol=1e-6)
        out[...] = 0
        find("max_pool", "forward")(xl, geometry, out, None)
        np.testing.assert_array_equal(out, maxima)
    x = np.nan_to_num(x, neginf=1)
    xl = arranged(x, last)
    fixed = isinstance(geometry, PoolGeometry)
    if fixed and set(geometry.dilation) != {1}:
        return
    for include in (True, False):
        if fixed:
            by = average.divisor(geometry, include, None, np.dtype(dtype))
        else:
            by = average.adaptive_divisor(geometry, np.dtype(dtype))
        expected, dx = np.empty(shape, dtype), np.empty(x.shape, dtype)
        backends.kernel(f"{names[1]}avg_pool{names[3]}", "forward", "numpy")(x, by, geometry, expected)
        backends.kernel(f"{names[1]}avg_pool{names[3]}", "input_grad", "numpy")(g, by, geometry, dx)
        with guarded(shape, dtype, order(len(shape), last)) as out:
            find("avg_pool", "forward")(xl, by, geometry, out)
            np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
        with guarded(x.shape, dtype, order(x.ndim, last)) as by_x:
            find("avg_pool", "input_grad")(gl, by, geometry, by_x)
            np.testing.assert_allclose(by_x, dx, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("shape", "options"), list(cases()), ids=str)
def test_windows_of_one_size(shape, options, last, dtype):
    check(PoolGeometry.forward(shape, **options), ("", "", "/loops", "/slices"), last, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 5, (1, 4), (7, 9)])
def test_adaptive(size, last, dtype):
    for shape in ((2, 3, 7, 9), (1, 40, 8, 8)):
        check(AdaptiveGeometry.forward(shape, size), ("adaptive_", "adaptive_", "", ""), last, dtype)


def test_other_memory_and_three_axes_are_left_to_numpy():
    rng = np.random.default_rng(0)
    for x in (rng.standard_normal((2, 3, 8, 9))[..., ::-1], rng.standard_normal((2, 3, 4, 6, 5))):
        geometry = PoolGeometry.forward(x.shape, 2)
        expected, out = np.empty(geometry.out_shape), np.empty(geometry.out_shape)
        backends.kernel("max_pool/slices", "forward", "numpy")(x, geometry, expected, None)
        backends.kernel("max_pool/loops", "forward", "jit")(x, geometry, out, None)
        np.testing.assert_array_equal(out, expected)
