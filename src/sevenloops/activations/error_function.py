"""The error function and the tail of the normal distribution, with NumPy alone.

With y ≥ 0 and z = y / √2,  Φ(-y) = erfc(z) / 2 = exp(-y²/2) · R(y),  and R falls slowly from 1/2 to 1 / (y·√(2π)).

References
----------
W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969), 631-637.
"""

from collections.abc import Sequence
from math import pi, sqrt

import numpy as np

from sevenloops.arrays import Array

__all__ = ["erf", "erf_grad", "normal_tail"]

# Cody's approximations, highest power first:
#     erf(z) = z · P(z²) / Q(z²)                                        up to z = 0.46875,
#     erfc(z) = exp(-z²) · P(z) / Q(z)                                  up to 4, and
#     erfc(z) = exp(-z²) / z · (1/√π - P(1/z²) / Q(1/z²) / z²)          above.
_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_LARGE = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip

# For float32 one polynomial does: R(y) = t · P(t), t = 1 / (1 + k·y), within 1.7e-7 of R from 0 to 15, where
# exp(-y²/2) is 0. Found by least squares with Lawson's weights, which end at the smallest largest relative error.
_K = 0.31
_SINGLE = (
    0.03589049954, -0.14181861650, 0.15545808921, -0.01528527171,
    0.11032592456, 0.10770097595, 0.12407241802, 0.12365606321,
)  # fmt: skip


def erf(x: Array, out: Array) -> None:
    """Write the error function, with an error of up to 4 units in the last place."""
    limited = np.clip(x, -8, 8)  # beyond, it is ±1
    z = np.abs(limited)
    squares = z * z
    small = _ratio(_SMALL, np.clip(squares, 0, 1))
    small *= limited
    if x.dtype == np.float32:
        is_small = z <= 1  # where 1 - erfc cancels no digits, and the approximation for small z still has float32's
        tail = _scaled_tail_single(z * sqrt(2))
        np.negative(squares, out=squares)
        tail *= np.exp(squares, out=squares)
    else:
        is_small = z <= 0.46875
        tail = _scaled_tail(z)
        tail *= _gauss(z, 1)
    tail *= -2
    tail += 1
    np.copysign(tail, limited, out=tail)
    small *= is_small
    tail *= ~is_small
    np.add(small, tail, out=out)


def erf_grad(grad: Array, x: Array, out: Array) -> None:
    """Write 2/√π · exp(-x²) · grad."""
    slope = x * x
    np.negative(slope, out=slope)
    np.exp(slope, out=slope)
    slope *= 2 / sqrt(pi)
    np.multiply(slope, grad, out=out)


def normal_tail(y: Array) -> tuple[Array, Array]:
    """Return Φ(-y) and exp(-y²/2) for y ≥ 0.

    In float64 the relative error is a few units in the last place everywhere; in float32 it is 6e-7, five of those,
    and what the rounding of y² makes of the exponential, y²/2 units.
    """
    if y.dtype == np.float32:
        gauss = y * y
        gauss *= -0.5
        np.exp(gauss, out=gauss)
        tail = _scaled_tail_single(y)
    else:
        gauss = _gauss(y, 2)
        tail = _scaled_tail(y / sqrt(2))
    tail *= gauss
    return tail, gauss


def _scaled_tail_single(y: Array) -> Array:
    """Return R(y) to the precision of float32."""
    t = y * _K
    t += 1
    np.divide(1, t, out=t)
    tail = _polynomial(_SINGLE, t)
    tail *= t
    return tail


def _scaled_tail(z: Array) -> Array:
    """Return R(√2·z) = exp(z²) · erfc(z) / 2."""
    squares = z * z
    tail = _ratio(_MIDDLE, np.clip(z, 0, 4))
    large = z > 4
    if large.any():
        inverse = 1 / squares[large]
        correction = _ratio(_LARGE, inverse)
        correction *= inverse
        tail[large] = (1 / sqrt(pi) - correction) / z[large]
    np.clip(squares, 0, 0.25, out=squares)
    small = _ratio(_SMALL, squares)
    small *= np.clip(z, 0, 1)
    np.subtract(1, small, out=small)
    small *= np.exp(squares)
    is_small = z <= 0.46875
    small *= is_small
    tail *= ~is_small
    tail += small
    tail /= 2
    return tail


def _gauss(y: Array, divisor: int) -> Array:
    """Return exp(-y² / divisor); y² rounded would have an error of y² · eps in the exponential."""
    # y² = s² + (y + s)·(y - s), and s² is exact for s with few digits.
    s = np.clip(y, 0, 64)
    s *= 16
    np.trunc(s, out=s)
    s /= 16
    gauss: Array = y + s
    gauss *= s - y
    gauss /= divisor
    np.exp(gauss, out=gauss)
    s *= s
    s /= -divisor
    gauss *= np.exp(s, out=s)
    return gauss


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Array) -> Array:
    above, below = coefficients
    result = _polynomial(above, x)
    result /= _polynomial(below, x)
    return result


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """Evaluate by Horner's rule, highest power first."""
    first, second, *others = coefficients
    result = x * first
    result += second
    for coefficient in others:
        result *= x
        result += coefficient
    return result
