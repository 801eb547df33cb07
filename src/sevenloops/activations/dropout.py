"""Dropout on plain arrays: masks drawn at exactly the rate asked for, and applied."""

from math import prod, sqrt

import numpy as np

from sevenloops.activations.blocks import in_blocks
from sevenloops.arrays import Array

__all__ = ["alpha_dropout", "alpha_dropout_grad", "draw", "dropout", "dropout_grad"]

# What selu becomes far below 0, with the sign of its scale · alpha.
_ALPHA = 1.7580993408473766


def draw(shape: tuple[int, ...], p: float, rng: "np.random.Generator") -> Array:
    """Return a bool array whose entries are False with probability p, independently of each other."""
    # One random byte decides nearly always: it is below t with probability t / 256. Where it equals t, another number
    # decides with what is left of 256 · (1 - p), so that the probability is right to the last digit.
    size = prod(shape)
    t, rest = divmod(256 * (1 - p), 1)
    random = rng.integers(0, 1 << 64, -(-size // 8), np.uint64).astype("<u8", copy=False).view(np.uint8)[:size]
    keep: Array = random < int(t)
    if rest:
        undecided = np.flatnonzero(random == int(t))
        keep[undecided] = rng.random(undecided.size) < rest
    return keep.reshape(shape)


def dropout(x: Array, keep: Array, out: Array, *, p: float) -> None:
    """Write x / (1 - p) where it is kept, else 0; `keep` may have one entry for many elements."""
    scale = 1 / (1 - p) if p < 1 else 0.0
    if keep.size < out.size:
        with np.errstate(invalid="ignore"):  # 0 times infinity
            np.multiply(x, keep.astype(x.dtype) * scale, out=out)
    else:
        _each(x, keep, out, scale=scale)


def dropout_grad(grad: Array, keep: Array, out: Array, *, p: float) -> None:
    """Write the same of the gradient."""
    dropout(grad, keep, out, p=p)


@in_blocks
def _each(x: Array, keep: Array, out: Array, *, scale: float) -> None:
    np.multiply(x, keep, out=out)
    out *= scale


@in_blocks
def alpha_dropout(x: Array, keep: Array, out: Array, *, p: float) -> None:
    """Write a · (x where it is kept, else -alpha) + b, with the a and b that keep mean 0 and variance 1."""
    np.multiply(x, keep, out=out)
    if p < 1:
        scale = _alpha_scale(p)
        out *= scale
        out += (scale * _ALPHA * p - scale * _ALPHA) + scale * _ALPHA * keep.astype(x.dtype)


@in_blocks
def alpha_dropout_grad(grad: Array, keep: Array, out: Array, *, p: float) -> None:
    """Write a · grad where x was kept, else 0."""
    np.multiply(grad, keep, out=out)
    if p < 1:
        out *= _alpha_scale(p)


def _alpha_scale(p: float) -> float:
    return 1 / sqrt((1 - p) * (1 + p * _ALPHA**2))
