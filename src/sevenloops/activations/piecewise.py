"""Activations that are straight or parabolic between a few points: relu and what is made of it.

At a point where two pieces meet, the derivative is the one that PyTorch takes. max(x, 0) is np.clip(x, 0, ∞), which
takes half the time: NumPy's np.maximum compares with a number one by one.
"""

import numpy as np

from sevenloops.arrays import Array

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
    "prelu",
    "prelu_grad",
    "prelu_weight_grad",
    "relu",
    "relu_grad",
    "softshrink",
    "softshrink_grad",
    "threshold",
    "threshold_grad",
]


def relu(x: Array, out: Array) -> None:
    """Write max(x, 0); NaN stays NaN."""
    np.clip(x, 0, np.inf, out=out)


def relu_grad(grad: Array, y: Array, out: Array) -> None:
    """Write grad where the result y is not 0: where x > 0, or was NaN."""
    np.multiply(grad, y != 0, out=out)


def leaky_relu(x: Array, out: Array, *, negative_slope: float) -> None:
    """Write x where it is positive, else negative_slope · x."""
    # Of x and slope · x, the wanted one is the larger for slopes up to 1, on both sides of 0, and else the smaller.
    # (0 times the input would make NaN of infinity.)
    choose = np.maximum if negative_slope <= 1 else np.minimum
    choose(x, x * negative_slope if negative_slope else 0, out=out)


def leaky_relu_grad(grad: Array, kept: Array, out: Array, *, negative_slope: float) -> None:
    """Write grad where x > 0, else negative_slope · grad; `kept` is x, or what is positive where x is."""
    positive = (kept > 0).astype(grad.dtype)
    slope = 1 - positive
    slope *= negative_slope
    slope += positive
    np.multiply(slope, grad, out=out)


def prelu(x: Array, weight: Array, out: Array) -> None:
    """Write x where it is positive, else weight · x."""
    negative = np.clip(x, -np.inf, 0)
    negative *= weight
    np.clip(x, 0, np.inf, out=out)
    out += negative


def prelu_grad(grad: Array, x: Array, weight: Array, out: Array) -> None:
    """Write grad where x > 0, else weight · grad."""
    positive = (x > 0).astype(x.dtype)
    slope = 1 - positive
    slope *= weight
    slope += positive
    np.multiply(slope, grad, out=out)


def prelu_weight_grad(grad: Array, x: Array, out: Array) -> None:
    """Write Σ grad · min(x, 0) over the axes that have one entry in `out`."""
    terms = np.clip(x, -np.inf, 0)
    terms *= grad
    terms.sum(tuple(i for i, length in enumerate(out.shape) if length == 1), keepdims=True, out=out)


def hardtanh(x: Array, out: Array, *, min_val: float, max_val: float) -> None:
    """Write x, or the bound that it is beyond."""
    np.clip(x, min_val, max_val, out=out)


def hardtanh_grad(grad: Array, kept: Array, out: Array, *, min_val: float, max_val: float) -> None:
    """Write grad where x is between the bounds, and not at one; `kept` is x, or the result."""
    inside = kept > min_val
    inside &= kept < max_val
    np.multiply(grad, inside, out=out)


def threshold(x: Array, out: Array, *, threshold: float, value: float) -> None:
    """Write x where it is above the threshold, else the value; NaN stays NaN."""
    below = x <= threshold
    if not np.isfinite(threshold) or not np.isfinite(value):  # which times 0 is NaN
        np.copyto(out, np.where(below, x.dtype.type(value), x))
        return
    kept = np.clip(x, threshold, np.inf)
    kept *= ~below
    if value:
        kept += below.astype(x.dtype) * value
    np.copyto(out, kept)


def threshold_grad(grad: Array, x: Array, out: Array, *, threshold: float, value: float) -> None:
    """Write grad where x is above the threshold, or NaN."""
    np.multiply(grad, ~(x <= threshold), out=out)


def softshrink(x: Array, out: Array, *, lambd: float) -> None:
    """Write x moved towards 0 by lambd, and 0 if it is nearer."""
    np.subtract(x, np.clip(x, -lambd, lambd), out=out)


def softshrink_grad(grad: Array, y: Array, out: Array, *, lambd: float) -> None:
    """Write grad where the result y is not 0."""
    outside = y > 0
    outside |= y < 0
    np.multiply(grad, outside, out=out)


def hardshrink(x: Array, out: Array, *, lambd: float) -> None:
    """Write x, or 0 where it is from -lambd to lambd."""
    np.multiply(x, _outside(x, lambd), out=out)


def hardshrink_grad(grad: Array, x: Array, out: Array, *, lambd: float) -> None:
    """Write grad where x was kept."""
    np.multiply(grad, _outside(x, lambd), out=out)


def _outside(x: Array, lambd: float) -> Array:
    outside: Array = x > lambd
    outside |= x < -lambd
    return outside


def hardsigmoid(x: Array, out: Array) -> None:
    """Write min(max(x + 3, 0), 6) / 6."""
    np.add(x, 3, out=out)
    np.clip(out, 0, 6, out=out)
    out /= 6


def hardsigmoid_grad(grad: Array, y: Array, out: Array) -> None:
    """Write grad / 6 where the result y is between 0 and 1."""
    inside = y > 0
    inside &= y < 1
    np.divide(grad, 6, out=out)
    out *= inside


def hardswish(x: Array, out: Array) -> None:
    """Write x · min(max(x + 3, 0), 6) / 6."""
    gate = x + 3
    np.clip(gate, 0, 6, out=gate)
    gate /= 6
    np.multiply(x, gate, out=out)


def hardswish_grad(grad: Array, x: Array, out: Array) -> None:
    """Write grad times 0 up to -3, 1 from 3 on, and x/3 + 1/2 between."""
    slope = np.clip(x, -3, 3)
    slope /= 3
    slope += 0.5
    slope *= x > -3
    # From 3 on the parabola's slope is 3/2.
    slope -= 0.5 * (x >= 3).astype(x.dtype)
    np.multiply(slope, grad, out=out)
