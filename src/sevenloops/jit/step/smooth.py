"""Activations made of exponentials and their relatives; the formulas are those of `sevenloops.activations.smooth`."""

import math

from sevenloops.jit import mathematics as m
from sevenloops.jit.language import Code, Value
from sevenloops.jit.step.elementwise import Elementwise

__all__ = [
    "elu",
    "elu_grad",
    "erf",
    "erf_grad",
    "gelu",
    "gelu_grad",
    "gelu_tanh",
    "gelu_tanh_grad",
    "logsigmoid",
    "logsigmoid_grad",
    "mish",
    "mish_grad",
    "sigmoid",
    "sigmoid_grad",
    "silu",
    "silu_grad",
    "softplus",
    "softplus_grad",
    "softsign",
    "softsign_grad",
    "tanh",
    "tanh_grad",
    "tanhshrink",
    "tanhshrink_grad",
]


def _one(code: Code) -> Value:
    return code.vector(1.0)


def _negative(code: Code, x: Value) -> Value:
    return code.zero() - x


def _positive_part(code: Code, x: Value) -> Value:
    return code.select(x < code.zero(), code.zero(), x)


def _negative_part(code: Code, x: Value) -> Value:
    return code.select(x > code.zero(), code.zero(), x)


def _tanh_grad(code: Code, grad: Value, y: Value) -> Value:
    return code.fma(_negative(code, y), y, _one(code)) * grad


def _tanhshrink(code: Code, x: Value) -> Value:
    return x - m.tanh(code, x)


def _tanhshrink_grad(code: Code, grad: Value, x: Value) -> Value:
    t = m.tanh(code, x)
    return t * t * grad


def _softsign(code: Code, x: Value) -> Value:
    return x / (code.absolute(x) + _one(code))


def _softsign_grad(code: Code, grad: Value, x: Value) -> Value:
    d = code.absolute(x) + _one(code)
    return grad / (d * d)


def _sigmoid_grad(code: Code, grad: Value, y: Value) -> Value:
    return (_one(code) - y) * y * grad


def _log1p_exp(code: Code, z: Value) -> Value:
    """Return log(1 + exp(-|z|))."""
    return m.log1p(code, m.exp(code, _negative(code, code.absolute(z))))


def _logsigmoid(code: Code, x: Value) -> Value:
    return _negative_part(code, x) - _log1p_exp(code, x)


def _logsigmoid_grad(code: Code, grad: Value, x: Value) -> Value:
    return grad / (m.exp(code, x) + _one(code))


def _softplus(code: Code, x: Value, beta: Value, threshold: Value) -> Value:
    z = x * beta
    y = (_log1p_exp(code, z) + _positive_part(code, z)) / beta
    return code.select(z > threshold, x, y)


def _softplus_grad(code: Code, grad: Value, x: Value, beta: Value, threshold: Value) -> Value:
    z = x * beta
    return code.select(z > threshold, _one(code), m.sigmoid(code, z)) * grad


def _elu(code: Code, x: Value, alpha: Value, scale: Value, rate: Value) -> Value:
    below = m.expm1(code, _negative_part(code, x) * rate) * alpha
    return (below + _positive_part(code, x)) * scale


def _elu_grad(code: Code, grad: Value, x: Value, alpha: Value, scale: Value, rate: Value) -> Value:
    below = m.exp(code, _negative_part(code, x) * rate) * (scale * alpha * rate)
    return code.select(x > code.zero(), scale, below) * grad


def _silu(code: Code, x: Value) -> Value:
    return x / (m.exp(code, _negative(code, x)) + _one(code))


def _silu_grad(code: Code, grad: Value, x: Value) -> Value:
    s = m.sigmoid(code, x)
    return code.fma((_one(code) - s) * x, s, s) * grad


# With n = exp(x) and d = n·(n + 2), tanh(log(1 + n)) = d / (d + 2). From some x on it is 1 to the last digit.


def _mish_limit(code: Code) -> Value:
    return code.vector(20.0 if code.itemsize == 4 else 40.0)


def _mish(code: Code, x: Value) -> Value:
    limit, two = _mish_limit(code), code.vector(2.0)
    n = m.exp(code, code.select(x > limit, limit, x))
    d = (n + two) * n
    return d / (d + two) * x


def _mish_grad(code: Code, grad: Value, x: Value) -> Value:
    limit, two = _mish_limit(code), code.vector(2.0)
    limited = code.select(x > limit, limit, x)
    n = m.exp(code, limited)
    d = (n + two) * n
    above = code.fma(d, d + two, limited * n * (n + _one(code)) * code.vector(4.0))
    return above / ((d + two) * (d + two)) * grad


def _gelu(code: Code, x: Value) -> Value:
    y = code.absolute(m.clipped(code, x, -64.0, 64.0))
    tail, _ = m.normal_tail(code, y)
    return code.fma(_negative(code, y), tail, _positive_part(code, x))


def _gelu_grad(code: Code, grad: Value, x: Value) -> Value:
    # For x ≤ 0 the slope is s = Φ(-|x|) - |x|·φ(|x|), for x > 0 it is 1 - s.
    y = code.absolute(m.clipped(code, x, -40.0, 40.0))
    tail, gauss = m.normal_tail(code, y)
    s = code.fma(gauss * y, code.vector(-1 / math.sqrt(2 * math.pi)), tail)
    return code.select(x > code.zero(), _one(code) - s, s) * grad


_CUBIC = 0.044715
_RATE = 2 * math.sqrt(2 / math.pi)


def _gelu_tanh(code: Code, x: Value) -> Value:
    # x·σ(2u), with 2u = x·(rate + rate·cubic·x²)
    u = code.fma(x * x, code.vector(-_RATE * _CUBIC), code.vector(-_RATE)) * x
    return x / (m.exp(code, u) + _one(code))


def _gelu_tanh_grad(code: Code, grad: Value, x: Value) -> Value:
    limited = m.clipped(code, x, -40.0, 40.0)
    squares = limited * limited
    s = m.sigmoid(code, code.fma(squares, code.vector(_RATE * _CUBIC), code.vector(_RATE)) * limited)
    slope = code.fma(squares, code.vector(3 * _RATE * _CUBIC), code.vector(_RATE)) * limited
    return code.fma(slope * (_one(code) - s), s, s) * grad


def _erf_grad(code: Code, grad: Value, x: Value) -> Value:
    return m.exp(code, _negative(code, x * x)) * code.vector(2 / math.sqrt(math.pi)) * grad


_SOFTPLUS = ("beta", "threshold")
_ELU = ("alpha", "scale", "rate")
_FEW = 1 << 13  # elements of which computing them pays for another thread's help

tanh = Elementwise("tanh", "forward", m.tanh, alone=_FEW)
tanh_grad = Elementwise("tanh", "gradient", _tanh_grad)
tanhshrink = Elementwise("tanhshrink", "forward", _tanhshrink, alone=_FEW)
tanhshrink_grad = Elementwise("tanhshrink", "gradient", _tanhshrink_grad, alone=_FEW)
softsign = Elementwise("softsign", "forward", _softsign)
softsign_grad = Elementwise("softsign", "gradient", _softsign_grad)
sigmoid = Elementwise("sigmoid", "forward", m.sigmoid, alone=_FEW)
sigmoid_grad = Elementwise("sigmoid", "gradient", _sigmoid_grad)
logsigmoid = Elementwise("logsigmoid", "forward", _logsigmoid, alone=_FEW)
logsigmoid_grad = Elementwise("logsigmoid", "gradient", _logsigmoid_grad, alone=_FEW)
softplus = Elementwise("softplus", "forward", _softplus, _SOFTPLUS, alone=_FEW)
softplus_grad = Elementwise("softplus", "gradient", _softplus_grad, _SOFTPLUS, alone=_FEW)
elu = Elementwise("elu", "forward", _elu, _ELU, alone=_FEW)
elu_grad = Elementwise("elu", "gradient", _elu_grad, _ELU, alone=_FEW)
silu = Elementwise("silu", "forward", _silu, alone=_FEW)
silu_grad = Elementwise("silu", "gradient", _silu_grad, alone=_FEW)
mish = Elementwise("mish", "forward", _mish, alone=_FEW)
mish_grad = Elementwise("mish", "gradient", _mish_grad, alone=_FEW)
gelu = Elementwise("gelu", "forward", _gelu, alone=_FEW)
gelu_grad = Elementwise("gelu", "gradient", _gelu_grad, alone=_FEW)
gelu_tanh = Elementwise("gelu_tanh", "forward", _gelu_tanh, alone=_FEW)
gelu_tanh_grad = Elementwise("gelu_tanh", "gradient", _gelu_tanh_grad, alone=_FEW)
erf = Elementwise("erf", "forward", m.erf, alone=_FEW)
erf_grad = Elementwise("erf", "gradient", _erf_grad, alone=_FEW)
