"""The elementary functions in machine code: the errors that are stated, over the whole range of floats."""

import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sevenloops.jit import mathematics
from sevenloops.jit.step.elementwise import Elementwise

mpmath = pytest.importorskip("mpmath")

#: Per function: the reference in long double (None: mpmath), with mpmath, the largest errors, where it is defined.
FUNCTIONS = {
    "exp": (np.exp, mpmath.exp, (1.1, 1.1)),
    "expm1": (np.expm1, mpmath.expm1, (2.5, 2.5)),
    "log": (np.log, mpmath.log, (1.0, 1.0)),
    "log1p": (np.log1p, mpmath.log1p, (1.5, 1.5)),
    "tanh": (np.tanh, mpmath.tanh, (2.0, 2.0)),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (1 + mpmath.exp(-x)), (2.5, 2.5)),
    "erf": (np.vectorize(math.erf, otypes=[float]), mpmath.erf, (1.5, 1.5)),
    "normal_tail": (
        np.vectorize(lambda y: math.erfc(y / math.sqrt(2)) / 2, otypes=[float]),
        lambda y: mpmath.erfc(y / mpmath.sqrt(2)) / 2,
        (5.5, 5.5),
    ),
}
DOMAIN = {"log": (0, np.inf), "log1p": (0, 1), "normal_tail": (0, np.inf)}


def formula(name):
    function = getattr(mathematics, name)
    return lambda code, x: function(code, x)[0] if name == "normal_tail" else function(code, x)


KERNELS = {name: Elementwise(f"test_{name}", "forward", formula(name)) for name in FUNCTIONS}


def computed(name, x):
    out = np.empty_like(x)
    KERNELS[name](x, out)
    return out


def inside(name, x):
    low, high = DOMAIN.get(name, (-np.inf, np.inf))
    return x[(x >= low) & (x <= high)]


def worst(name, x, y, expected):
    """Return the largest error in ulp of y's dtype; `expected` has more digits."""
    with np.errstate(all="ignore"):
        rounded = expected.astype(y.dtype)
        assert (np.isinf(rounded) == np.isinf(y)).all(), x[np.isinf(rounded) != np.isinf(y)][:5]
        fine = np.isfinite(rounded)
        if name in ("sigmoid", "normal_tail"):
            fine &= np.abs(rounded) >= 4 * np.finfo(y.dtype).tiny
        error = np.abs(y[fine].astype(expected.dtype) - expected[fine]) / np.spacing(np.abs(rounded[fine]))
    assert len(error), "nothing was compared"
    place = error.argmax()
    return float(error[place]), x[fine][place]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_over_its_whole_range(name):
    reference, _, (limit, _) = FUNCTIONS[name]
    step = 200_003 if isinstance(reference, np.vectorize) else 4099
    x = np.arange(0, 1 << 32, step, np.uint64).astype(np.uint32).view(np.float32)
    near = np.random.default_rng(0).standard_normal(60_000, dtype=np.float32) * 4
    x = inside(name, np.concatenate([x[np.isfinite(x)], near]))
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.float64))
    error, at = worst(name, x, computed(name, x), expected)
    assert error <= limit, f"{error:.2f} ulp at {at!r}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64(name):
    _, exactly, (_, limit) = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 63, 300, np.int64) * 2 + rng.integers(0, 2, 300)
    x = np.concatenate([bits.view(np.float64), rng.standard_normal(1500) * 3, rng.standard_normal(1000) * 100])
    x = np.concatenate([x, rng.uniform(0, 1, 500), [2.0**-1074, 2.0**-1022, 709.78, -745.1, -708.4, 1e-310]])
    x = inside(name, x[np.isfinite(x)])
    with mpmath.workdps(40):
        values = [exactly(mpmath.mpf(float(v))) if abs(v) < 1e4 or name == "log" else None for v in x]
        keep = np.array([v is not None for v in values])
        x, values = x[keep], [v for v in values if v is not None]
        y = computed(name, x)
        high = np.array([float(v) for v in values])
        with np.errstate(all="ignore"):
            fine = np.isfinite(high)
            if name in ("sigmoid", "normal_tail"):
                fine &= np.abs(high) >= 4 * np.finfo(float).tiny
            gap = np.spacing(np.abs(high))
        assert (np.isfinite(y) == np.isfinite(high)).all()
        errors = [float(abs(mpmath.mpf(float(a)) - v) / g) for a, v, g, f in zip(y, values, gap, fine) if f]
    place = int(np.argmax(errors))
    assert errors[place] <= limit, f"{errors[place]:.2f} ulp at {x[fine][place]!r}"


LIMITS = {
    "exp": (math.inf, 0.0, 1.0),
    "expm1": (math.inf, -1.0, 0.0),
    "log": (math.inf, math.nan, -math.inf),
    "tanh": (1.0, -1.0, 0.0),
    "sigmoid": (1.0, 0.0, 0.5),
    "erf": (1.0, -1.0, 0.0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LIMITS)
def test_limits(name, dtype):
    x = np.array([np.inf, -np.inf, 0.0, np.nan, np.finfo(dtype).max, -np.finfo(dtype).max], dtype)
    at_infinity, at_minus_infinity, at_zero = LIMITS[name]
    y = computed(name, x)
    np.testing.assert_array_equal(y[:4], np.array([at_infinity, at_minus_infinity, at_zero, np.nan], dtype))
    if name != "log":
        np.testing.assert_array_equal(y[4:], y[:2])


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_the_sign_of_zero(name):
    assert np.signbit(computed(name, np.array([-0.0]))).all()
