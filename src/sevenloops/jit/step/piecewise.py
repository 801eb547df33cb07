"""Activations that are straight or parabolic between a few points; see `sevenloops.activations.piecewise`."""

from sevenloops.jit.language import Code, Value
from sevenloops.jit.step.elementwise import Elementwise

__all__ = [
    "hardshrink",
    "hardshrink_grad",
    "hardsigmoid",
    "hardsigmoid_grad",
    "hardswish",
    "hardswish_grad",
    "hardtanh",
    "hardtanh_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "relu",
    "relu_grad",
    "softshrink",
    "softshrink_grad",
    "threshold",
    "threshold_grad",
]


def _clipped(code: Code, x: Value, low: Value, high: Value) -> Value:
    """Return x, or the bound that it is beyond; NaN stays NaN."""
    x = code.select(x < low, low, x)
    return code.select(x > high, high, x)


def _relu(code: Code, x: Value) -> Value:
    return code.select(x < code.zero(), code.zero(), x)


def _relu_grad(code: Code, grad: Value, y: Value) -> Value:
    # As a product, here and below: what is not finite in the gradient shows, as it does with NumPy.
    return grad * code.select(y.equals(code.zero()), code.zero(), code.vector(1.0))


def _leaky_relu(code: Code, x: Value, slope: Value) -> Value:
    # x > 0 ? x : slope·x; with a slope of 0, 0 (and not NaN) of infinity
    below = code.select(slope.equals(code.zero()), code.select(x.equals(x), code.zero(), x), x * slope)
    return code.select(x > code.zero(), x, below)


def _leaky_relu_grad(code: Code, grad: Value, kept: Value, slope: Value) -> Value:
    return grad * code.select(kept > code.zero(), code.vector(1.0), slope)


def _hardtanh_grad(code: Code, grad: Value, kept: Value, low: Value, high: Value) -> Value:
    inside = code.select(kept > low, code.select(kept < high, code.vector(1.0), code.zero()), code.zero())
    return grad * inside


def _threshold(code: Code, x: Value, threshold: Value, value: Value) -> Value:
    return code.select(x <= threshold, value, x)


def _threshold_grad(code: Code, grad: Value, x: Value, threshold: Value, value: Value) -> Value:
    return grad * code.select(x <= threshold, code.zero(), code.vector(1.0))


def _softshrink(code: Code, x: Value, lambd: Value) -> Value:
    return x - _clipped(code, x, code.zero() - lambd, lambd)


def _softshrink_grad(code: Code, grad: Value, y: Value, lambd: Value) -> Value:
    return grad * _outside(code, y, code.zero())


def _outside(code: Code, x: Value, limit: Value) -> Value:
    """Return 1 where |x| is above the limit, else 0, also for what is not a number."""
    return code.select(code.absolute(x) > limit, code.vector(1.0), code.zero())


def _hardshrink(code: Code, x: Value, lambd: Value) -> Value:
    return x * _shrunk(code, x, lambd)


def _shrunk(code: Code, x: Value, lambd: Value) -> Value:
    one = code.vector(1.0)
    return code.select(x > lambd, one, code.select(x < code.zero() - lambd, one, code.zero()))


def _hardshrink_grad(code: Code, grad: Value, x: Value, lambd: Value) -> Value:
    return grad * _shrunk(code, x, lambd)


def _hardsigmoid(code: Code, x: Value) -> Value:
    return _clipped(code, x + code.vector(3.0), code.zero(), code.vector(6.0)) / code.vector(6.0)


def _hardsigmoid_grad(code: Code, grad: Value, y: Value) -> Value:
    one, zero = code.vector(1.0), code.zero()
    inside = code.select(y > zero, code.select(y < one, one, zero), zero)
    return grad / code.vector(6.0) * inside


def _hardswish(code: Code, x: Value) -> Value:
    return x * _hardsigmoid(code, x)


def _hardswish_grad(code: Code, grad: Value, x: Value) -> Value:
    # 0 up to -3, x/3 + 1/2 between, 1 from 3 on
    three, one = code.vector(3.0), code.vector(1.0)
    slope = code.select(x >= three, one, x / three + code.vector(0.5))
    return grad * code.select(x <= code.vector(-3.0), code.zero(), slope)


relu = Elementwise("relu", "forward", _relu)
relu_grad = Elementwise("relu", "gradient", _relu_grad)
leaky_relu = Elementwise("leaky_relu", "forward", _leaky_relu, ["negative_slope"])
leaky_relu_grad = Elementwise("leaky_relu", "gradient", _leaky_relu_grad, ["negative_slope"])
hardtanh = Elementwise("hardtanh", "forward", _clipped, ["min_val", "max_val"])
hardtanh_grad = Elementwise("hardtanh", "gradient", _hardtanh_grad, ["min_val", "max_val"])
threshold = Elementwise("threshold", "forward", _threshold, ["threshold", "value"])
threshold_grad = Elementwise("threshold", "gradient", _threshold_grad, ["threshold", "value"])
softshrink = Elementwise("softshrink", "forward", _softshrink, ["lambd"])
softshrink_grad = Elementwise("softshrink", "gradient", _softshrink_grad, ["lambd"])
hardshrink = Elementwise("hardshrink", "forward", _hardshrink, ["lambd"])
hardshrink_grad = Elementwise("hardshrink", "gradient", _hardshrink_grad, ["lambd"])
hardsigmoid = Elementwise("hardsigmoid", "forward", _hardsigmoid)
hardsigmoid_grad = Elementwise("hardsigmoid", "gradient", _hardsigmoid_grad)
hardswish = Elementwise("hardswish", "forward", _hardswish)
hardswish_grad = Elementwise("hardswish", "gradient", _hardswish_grad)
