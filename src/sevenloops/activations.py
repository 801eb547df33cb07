"""Activations on plain arrays: each forward, and its gradient from what the forward pass keeps.

Kernels: `out` is written, nothing is checked; it may be an input itself. Arrays have at least one axis. Masks are
multiplied, never chosen by ``np.where``: on random signs that mispredicts half of its branches and takes ten times as
long.
"""

from collections.abc import Callable

import numpy as np

from sevenloops import backends
from sevenloops.arrays import Array

__all__ = [
    "kernel",
    "leaky_relu",
    "leaky_relu_grad",
    "log_softmax",
    "log_softmax_grad",
    "relu",
    "relu_grad",
    "sigmoid",
    "sigmoid_grad",
    "softmax",
    "softmax_grad",
    "tanh",
    "tanh_grad",
]


def relu(x: Array, out: Array) -> None:
    """Write max(x, 0); NaN stays NaN."""
    np.maximum(x, 0, out=out)


def relu_grad(grad: Array, y: Array, out: Array) -> None:
    """Write grad where the result y is not 0: where x > 0, or was NaN."""
    np.multiply(grad, y != 0, out=out)


def leaky_relu(x: Array, out: Array, *, negative_slope: float) -> None:
    """Write x where it is positive, else negative_slope · x."""
    # Of x and slope · x, the wanted one is the larger for slopes up to 1, on both sides of 0, and else the smaller.
    choose = np.maximum if negative_slope <= 1 else np.minimum
    choose(x, x * negative_slope, out=out)


def leaky_relu_grad(grad: Array, x: Array, out: Array, *, negative_slope: float) -> None:
    """Write grad where x > 0, else negative_slope · grad."""
    positive = x > 0
    negative = grad * negative_slope
    negative *= ~positive
    np.multiply(grad, positive, out=out)
    out += negative


def tanh(x: Array, out: Array) -> None:
    """Write the hyperbolic tangent."""
    np.tanh(x, out=out)


def tanh_grad(grad: Array, y: Array, out: Array) -> None:
    """Write (1 - y²) · grad."""
    slope = y * y
    np.subtract(1, slope, out=slope)
    np.multiply(slope, grad, out=out)


def sigmoid(x: Array, out: Array) -> None:
    """Write 1 / (1 + exp(-x)), to full relative precision at both ends."""
    # With e = exp(-|x|) ≤ 1, nothing overflows: 1 / (1 + e) for x ≥ 0, e / (1 + e) below.
    e = np.abs(x)
    np.negative(e, out=e)
    np.exp(e, out=e)
    numerator = np.maximum(e, x >= 0)
    e += 1
    np.divide(numerator, e, out=out)


def sigmoid_grad(grad: Array, y: Array, out: Array) -> None:
    """Write y · (1 - y) · grad."""
    slope = 1 - y
    slope *= y
    np.multiply(slope, grad, out=out)


def softmax(x: Array, out: Array, *, dim: int) -> None:
    """Write exp(x) / Σ exp(x) along an axis."""
    # The maximum of each row, not of the array: a row far below another one would underflow to 0 / 0.
    np.subtract(x, x.max(dim, keepdims=True, initial=-np.inf), out=out)
    np.exp(out, out=out)
    out /= out.sum(dim, keepdims=True)


def softmax_grad(grad: Array, y: Array, out: Array, *, dim: int) -> None:
    """Write y · (grad - Σ grad · y)."""
    inner = (grad * y).sum(dim, keepdims=True)
    np.multiply(grad - inner, y, out=out)


def log_softmax(x: Array, out: Array, *, dim: int) -> None:
    """Write x - log Σ exp(x) along an axis."""
    if not x.size:  # the axis may be empty, and log 0 warns
        return
    np.subtract(x, x.max(dim, keepdims=True, initial=-np.inf), out=out)
    out -= np.log(np.exp(out).sum(dim, keepdims=True))


def log_softmax_grad(grad: Array, y: Array, out: Array, *, dim: int) -> None:
    """Write grad - exp(y) · Σ grad."""
    share = np.exp(y)
    share *= grad.sum(dim, keepdims=True)
    np.subtract(grad, share, out=out)


for _forward, _gradient in (
    (relu, relu_grad),
    (leaky_relu, leaky_relu_grad),
    (tanh, tanh_grad),
    (sigmoid, sigmoid_grad),
    (softmax, softmax_grad),
    (log_softmax, log_softmax_grad),
):
    backends.register(_forward.__name__, "forward", "numpy", _forward)
    backends.register(_forward.__name__, "gradient", "numpy", _gradient)


def kernel(name: str, direction: str) -> Callable[..., None]:
    """Return the kernel of an activation, "forward" or "gradient", on the backend in use."""
    return backends.find(name, direction)
