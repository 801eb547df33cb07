"""Elementwise functions of one operand, against Python's."""

import math

import numpy as np
import pytest

import sevenloops as sl

FLOATS = (np.float16, np.float32, np.float64)

BY_HAND = {
    "neg": lambda v: -v,
    "abs": lambda v: v if v > 0 else -v,
    "sign": lambda v: (v > 0) - (v < 0),
    "exp": math.exp,
    "exp2": lambda v: 2.0**v,
    "expm1": math.expm1,
    "log": math.log,
    "log1p": math.log1p,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "square": lambda v: v * v,
    "sqrt": math.sqrt,
    "rsqrt": lambda v: 1 / math.sqrt(v),
    "reciprocal": lambda v: 1 / v,
}
POSITIVE = ("log", "log2", "log10", "sqrt", "rsqrt")


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 2)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_values(name, shape, dtype):
    rng = np.random.default_rng(1)
    x = (rng.uniform(0.25, 3, shape) * (1 if name in POSITIVE else rng.choice([-0.3, 1], shape))).astype(dtype)
    expected = np.array([BY_HAND[name](float(v)) for v in x.ravel()]).reshape(shape)
    for result in (getattr(sl, name)(x), getattr(sl.Tensor(x), name)().numpy()):
        assert type(result) is np.ndarray
        assert result.dtype == dtype
        assert result.shape == shape
        np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", BY_HAND)
def test_memory_order_is_kept(name):
    x = np.moveaxis(np.random.default_rng(0).uniform(0.5, 2, (2, 4, 5, 3)), -1, 1)  # channels last in memory
    assert getattr(sl, name)(x).strides == x.strides


def test_conventions_at_0():
    x = sl.Tensor(np.zeros(1), requires_grad=True)
    (x.abs() + x.sign()).backward()
    assert x.grad.tolist() == [0.0]


def test_small_numbers_keep_their_digits():
    x = np.array([1e-20, -1e-20])
    assert sl.expm1(x).tolist() == sl.log1p(x).tolist() == x.tolist()


def test_operators():
    x = sl.Tensor([1.0, -2.0])
    assert (-x).tolist() == [-1, 2]
    assert abs(x).tolist() == [1, 2]


@pytest.mark.parametrize("name", BY_HAND)
def test_integers_are_refused(name):
    with pytest.raises(TypeError, match="must be a float16, float32 or float64 array"):
        getattr(sl, name)([1, 2])
