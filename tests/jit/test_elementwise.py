"""Elementwise kernels in machine code: against the NumPy kernels and the definition, in every order of memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import activations, backends, pairs
from tests.jit.guarded import guarded

pytest.importorskip("llvmlite")

OPTIONS = {
    "leaky_relu": {"negative_slope": 0.1},
    "hardtanh": {"min_val": -0.5, "max_val": 0.6},
    "threshold": {"threshold": 0.2, "value": 7.0},
    "softshrink": {"lambd": 0.3},
    "hardshrink": {"lambd": 0.3},
    "softplus": {"beta": 2.0, "threshold": 10.0},
    "elu": {"alpha": 1.5, "scale": 2.0, "rate": 0.5},
}
SMOOTH = (
    *("tanh", "tanhshrink", "softsign", "sigmoid", "logsigmoid", "softplus", "elu", "silu", "mish"),
    *("gelu", "gelu_tanh", "erf"),
)
NAMES = ("relu", "leaky_relu", "hardtanh", "threshold", "softshrink", "hardshrink", "hardsigmoid", "hardswish")
SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 0.0, 0.3, -0.3, 3.0, -3.0, 6.0, 1.0, 1e-40, 3e38, -3e38)


def inputs(name, direction, shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) * 4 for _ in range(1 + (direction == "gradient"))]
    for array in arrays[-1:]:
        places = rng.integers(0, max(array.size, 1), len(SPECIAL) if array.size > 100 else 0)
        array.reshape(-1)[places] = SPECIAL[: len(places)]
    with np.errstate(over="ignore"):
        return [array.astype(dtype) for array in arrays]


def both(name, direction, arrays, out):
    """Run the machine code into `out`; return what NumPy computes in float64."""
    options = OPTIONS.get(name, {})
    backends.kernel(name, direction, "jit")(*arrays, out, **options)
    if arrays[0].dtype == np.float32:  # an option is a float32 there
        options = {key: float(np.float32(value)) for key, value in options.items()}
    expected = np.empty(out.shape)
    if out.size:
        wide = [np.atleast_1d(array.astype(np.float64)) for array in arrays]
        backends.kernel(name, direction, "numpy")(*wide, np.atleast_1d(expected), **options)
    return expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("direction", ["forward", "gradient"])
@pytest.mark.parametrize("name", NAMES + SMOOTH)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 63, 64, 65, 129, 4095, 4097, 70_001])
def test_equals_the_definition(name, direction, size, dtype):
    arrays = inputs(name, direction, (size,), dtype, size)
    with guarded((size,), dtype) as out:
        expected = both(name, direction, arrays, out)
        with np.errstate(over="ignore"):
            expected = expected.astype(dtype)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(out, expected, rtol=16 * eps, atol=16 * eps)


@given(st.data())
def test_any_dense_order_of_memory_is_kept(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 5), max_size=4)))
    order = data.draw(st.permutations(range(len(shape))))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(0)
    x = rng.standard_normal([shape[axis] for axis in order]).astype(dtype).transpose(np.argsort(order))
    y = np.full_like(x, 7)
    backends.kernel("relu", "forward", "jit")(x, y)
    np.testing.assert_array_equal(y, np.where(x > 0, x, 0))


@pytest.mark.parametrize("kind", ["gap", "reversed", "mixed", "spread", "overlapping", "half"])
def test_other_memory_is_left_to_numpy(kind):
    x = np.random.default_rng(0).standard_normal((8, 9), dtype=np.float32)
    out = np.empty_like(x)
    if kind == "gap":
        x = np.repeat(x, 2, 1)[:, ::2]
    elif kind == "reversed":
        x = x[::-1]
    elif kind == "mixed":
        x = np.asfortranarray(x)
    elif kind == "spread":
        x = np.broadcast_to(x[:1], x.shape)
    elif kind == "overlapping":
        memory = np.resize(x, 73)
        x, out = memory[:72].reshape(8, 9), memory[1:].reshape(8, 9)
    else:
        x, out = x.astype(np.float16), out.astype(np.float16)
    expected = np.where(x > 0, x, 0)
    activations.kernel("relu", "forward")(x, out)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("size", [1000, 300_000])
def test_bits_are_the_same_from_call_to_call(size):
    x = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    results = []
    for _ in range(5):
        results.append(np.empty_like(x))
        backends.kernel("hardswish", "forward", "jit")(x, results[-1])
    assert len({result.tobytes() for result in results}) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", pairs.UFUNCS)
@pytest.mark.parametrize("size", [1, 100, 8191, 70_001])
def test_pairs(name, size, dtype):
    rng = np.random.default_rng(size)
    left, right = rng.standard_normal((2, size)).astype(dtype)
    with guarded((size,), dtype) as out:
        backends.kernel(f"pair/{name}", "forward", "jit")(left, right, out)
        np.testing.assert_array_equal(out, pairs.UFUNCS[name](left, right))
    np.testing.assert_array_equal(pairs.combined(name, left, right), pairs.UFUNCS[name](left, right))


def test_pairs_that_are_broadcast_or_differ_in_order():
    left, right = np.random.default_rng(0).standard_normal((2, 100, 200))
    for a, b in ((left, right[0]), (left[:, :1], right), (np.asfortranarray(left), right), (left, right[::-1])):
        np.testing.assert_array_equal(pairs.combined("add", a, b), a + b)
