"""Activations that are smooth (or nearly): made of exponentials and their relatives.

σ is the logistic function 1 / (1 + exp(-x)). Where the exponential overflows it is 1 / (1 + ∞) = 0, instead of a
subnormal number; all else has the relative precision of the dtype.
"""

from math import pi, sqrt

import numpy as np

from sevenloops.activations.error_function import normal_tail
from sevenloops.arrays import Array

__all__ = [
    "elu",
    "elu_grad",
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


def tanh(x: Array, out: Array) -> None:
    """Write the hyperbolic tangent."""
    np.tanh(x, out=out)


def tanh_grad(grad: Array, y: Array, out: Array) -> None:
    """Write (1 - y²) · grad."""
    slope = y * y
    np.subtract(1, slope, out=slope)
    np.multiply(slope, grad, out=out)


def tanhshrink(x: Array, out: Array) -> None:
    """Write x - tanh(x)."""
    np.subtract(x, np.tanh(x), out=out)


def tanhshrink_grad(grad: Array, x: Array, out: Array) -> None:
    """Write tanh(x)² · grad."""
    slope = np.tanh(x)
    slope *= slope
    np.multiply(slope, grad, out=out)


def softsign(x: Array, out: Array) -> None:
    """Write x / (1 + |x|)."""
    denominator = np.abs(x)
    denominator += 1
    np.divide(x, denominator, out=out)


def softsign_grad(grad: Array, x: Array, out: Array) -> None:
    """Write grad / (1 + |x|)²."""
    denominator = np.abs(x)
    denominator += 1
    denominator *= denominator
    np.divide(grad, denominator, out=out)


def sigmoid(x: Array, out: Array) -> None:
    """Write 1 / (1 + exp(-x)); what would be subnormal is 0."""
    denominator = np.negative(x)
    np.exp(denominator, out=denominator)
    denominator += 1
    np.divide(1, denominator, out=out)


def sigmoid_grad(grad: Array, y: Array, out: Array) -> None:
    """Write y · (1 - y) · grad."""
    slope = 1 - y
    slope *= y
    np.multiply(slope, grad, out=out)


def logsigmoid(x: Array, out: Array) -> None:
    """Write log σ(x) = min(x, 0) - log(1 + exp(-|x|))."""
    tail = np.abs(x)
    np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    np.log1p(tail, out=tail)
    np.clip(x, -np.inf, 0, out=out)
    out -= tail


def logsigmoid_grad(grad: Array, x: Array, out: Array) -> None:
    """Write σ(-x) · grad."""
    denominator = np.exp(x)
    denominator += 1
    np.divide(grad, denominator, out=out)


def softplus(x: Array, out: Array, *, beta: float, threshold: float) -> None:
    """Write log(1 + exp(beta · x)) / beta, and x itself where beta · x is above the threshold."""
    z = x * beta
    tail = np.abs(z)
    np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    np.log1p(tail, out=tail)
    tail += np.clip(z, 0, np.inf)
    tail /= beta
    np.copyto(tail, x, where=z > threshold)  # seldom, and so well predicted
    np.copyto(out, tail)


def softplus_grad(grad: Array, x: Array, out: Array, *, beta: float, threshold: float) -> None:
    """Write σ(beta · x) · grad, and grad itself where beta · x is above the threshold."""
    z = x * beta
    slope = np.negative(z)
    np.exp(slope, out=slope)
    slope += 1
    np.divide(1, slope, out=slope)
    np.copyto(slope, 1, where=z > threshold)
    np.multiply(slope, grad, out=out)


def elu(x: Array, out: Array, *, alpha: float, scale: float, rate: float) -> None:
    """Write scale · x where x is positive, else scale · alpha · (exp(rate · x) - 1)."""
    negative = np.clip(x, -np.inf, 0)
    negative *= rate
    np.expm1(negative, out=negative)
    negative *= alpha
    np.clip(x, 0, np.inf, out=out)
    out += negative
    if scale != 1:
        out *= scale


def elu_grad(grad: Array, x: Array, out: Array, *, alpha: float, scale: float, rate: float) -> None:
    """Write scale · grad where x > 0, else scale · alpha · rate · exp(rate · x) · grad."""
    slope = np.clip(x, -np.inf, 0)
    slope *= rate
    np.exp(slope, out=slope)
    at_zero = scale * alpha * rate
    slope *= at_zero
    slope += (scale - at_zero) * (x > 0).astype(x.dtype)
    np.multiply(slope, grad, out=out)


def silu(x: Array, out: Array) -> None:
    """Write x · σ(x)."""
    denominator = np.negative(x)
    np.exp(denominator, out=denominator)
    denominator += 1
    np.divide(x, denominator, out=out)


def silu_grad(grad: Array, x: Array, out: Array) -> None:
    """Write σ · (1 + x · (1 - σ)) · grad."""
    s = np.negative(x)
    np.exp(s, out=s)
    s += 1
    np.divide(1, s, out=s)
    slope = 1 - s
    slope *= x
    slope += 1
    slope *= s
    np.multiply(slope, grad, out=out)


# With n = exp(x) and d = n·(n + 2), tanh(log(1 + n)) = d / (d + 2): no logarithm is needed, and nothing cancels.
# From some x on it is 1 to the last digit; n is not computed further, since d² would overflow.


def mish(x: Array, out: Array) -> None:
    """Write x · tanh(log(1 + exp(x)))."""
    n = np.clip(x, -np.inf, _mish_limit(x))
    np.exp(n, out=n)
    d = n + 2
    d *= n
    np.add(d, 2, out=n)
    d /= n
    np.multiply(d, x, out=out)


def mish_grad(grad: Array, x: Array, out: Array) -> None:
    """Write the derivative, (d·(d + 2) + 4·x·n·(n + 1)) / (d + 2)², times grad."""
    limited = np.clip(x, -np.inf, _mish_limit(x))
    n = np.exp(limited)
    d = n + 2
    d *= n
    limited *= n
    n += 1
    limited *= n
    limited *= 4
    np.add(d, 2, out=n)
    d *= n
    d += limited
    n *= n
    d /= n
    np.multiply(d, grad, out=out)


def _mish_limit(x: Array) -> float:
    return 20 if x.dtype == np.float32 else 40


def gelu(x: Array, out: Array) -> None:
    """Write x · Φ(x), with Φ the distribution function of a normal variable."""
    # It is max(x, 0) - |x| · Φ(-|x|) on both sides.
    y = np.clip(x, -64, 64)  # where the tail is 0, so that it is 0 · 64 of infinity too
    np.abs(y, out=y)
    tail, _ = normal_tail(y)
    tail *= y
    np.clip(x, 0, np.inf, out=out)
    out -= tail


def gelu_grad(grad: Array, x: Array, out: Array) -> None:
    """Write (Φ(x) + x · φ(x)) · grad, with φ the density."""
    # For x ≤ 0 the slope is s = Φ(-|x|) - |x| · φ(|x|), for x > 0 it is 1 - s. Beyond 40 it is 0 and 1.
    y = np.clip(x, -40, 40)
    np.abs(y, out=y)
    s, gauss = normal_tail(y)
    gauss *= y
    gauss /= sqrt(2 * pi)
    s -= gauss
    _on_both_sides(s, x)
    np.multiply(s, grad, out=out)


_CUBIC = 0.044715
_RATE = 2 * sqrt(2 / pi)


def gelu_tanh(x: Array, out: Array) -> None:
    """Write x · (1 + tanh(u)) / 2 = x · σ(2u), with u = √(2/π) · (x + 0.044715 · x³)."""
    denominator = x * x
    denominator *= -_RATE * _CUBIC
    denominator -= _RATE
    denominator *= x
    np.exp(denominator, out=denominator)
    denominator += 1
    np.divide(x, denominator, out=out)


def gelu_tanh_grad(grad: Array, x: Array, out: Array) -> None:
    """Write σ · (1 + x · (1 - σ) · 2u') · grad, with σ of 2u."""
    limited = np.clip(x, -40, 40)  # beyond, the slope is 0 and 1
    squares = limited * limited
    s = squares * (-_RATE * _CUBIC)
    s -= _RATE
    s *= limited
    np.exp(s, out=s)
    s += 1
    np.divide(1, s, out=s)
    squares *= 3 * _RATE * _CUBIC
    squares += _RATE
    squares *= limited
    squares *= 1 - s
    squares += 1
    squares *= s
    np.multiply(squares, grad, out=out)


def _on_both_sides(s: Array, x: Array) -> None:
    """Make 1 - s of s where x > 0."""
    other = s * -2
    other += 1
    other *= x > 0
    s += other
