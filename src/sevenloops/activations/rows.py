"""Activations that look along an axis: softmax and its relatives, and the gated linear unit."""

from functools import partial

import numpy as np

from sevenloops.activations.blocks import in_blocks
from sevenloops.arrays import Array

__all__ = [
    "glu",
    "glu_grad",
    "log_softmax",
    "log_softmax_grad",
    "softmax",
    "softmax_grad",
    "softmin",
    "softmin_grad",
]

#: What is made NaN by infinities is not warned of.
_QUIET = np.errstate(all="ignore")


@_QUIET
def softmax(x: Array, out: Array, *, dim: int) -> None:
    """Write exp(x) / Σ exp(x) along an axis."""
    # The maximum of each row, not of the array: a row far below another one would underflow to 0 / 0.
    np.subtract(x, x.max(dim, keepdims=True, initial=-np.inf), out=out)
    np.exp(out, out=out)
    out /= out.sum(dim, keepdims=True)


@_QUIET
def softmax_grad(grad: Array, y: Array, out: Array, *, dim: int) -> None:
    """Write y · (grad - Σ grad · y)."""
    inner = (grad * y).sum(dim, keepdims=True)
    np.multiply(grad - inner, y, out=out)


@_QUIET
def softmin(x: Array, out: Array, *, dim: int) -> None:
    """Write exp(-x) / Σ exp(-x) along an axis."""
    np.subtract(x.min(dim, keepdims=True, initial=np.inf), x, out=out)
    np.exp(out, out=out)
    out /= out.sum(dim, keepdims=True)


@_QUIET
def softmin_grad(grad: Array, y: Array, out: Array, *, dim: int) -> None:
    """Write y · (Σ grad · y - grad)."""
    inner = (grad * y).sum(dim, keepdims=True)
    np.multiply(inner - grad, y, out=out)


@_QUIET
def log_softmax(x: Array, out: Array, *, dim: int) -> None:
    """Write x - log Σ exp(x) along an axis."""
    if not x.size:  # the axis may be empty, and log 0 warns
        return
    np.subtract(x, x.max(dim, keepdims=True, initial=-np.inf), out=out)
    out -= np.log(np.exp(out).sum(dim, keepdims=True))


@_QUIET
def log_softmax_grad(grad: Array, y: Array, out: Array, *, dim: int) -> None:
    """Write grad - exp(y) · Σ grad."""
    share = np.exp(y)
    share *= grad.sum(dim, keepdims=True)
    np.subtract(grad, share, out=out)


@in_blocks
def glu(value: Array, gate: Array, out: Array) -> None:
    """Write value · σ(gate), of the two halves of the input."""
    denominator = np.negative(gate)
    np.exp(denominator, out=denominator)
    denominator += 1
    np.divide(value, denominator, out=out)


@partial(in_blocks, results=2)
def glu_grad(grad: Array, value: Array, gate: Array, by_value: Array, by_gate: Array) -> None:
    """Write grad · σ, and grad · value · σ · (1 - σ), for σ of the gate."""
    s = np.negative(gate)
    np.exp(s, out=s)
    s += 1
    np.divide(1, s, out=s)
    slope = 1 - s
    slope *= s
    slope *= value
    np.multiply(slope, grad, out=by_gate)
    np.multiply(s, grad, out=by_value)
