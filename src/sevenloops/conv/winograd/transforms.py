"""The matrices of Winograd's algorithm F(m, r): m outputs of a correlation with r taps from m + r - 1 products.

    y = Aᵀ [(G g) ⊙ (Bᵀ d)],    y[i] = Σ_k g[k] · d[i + k],    i < m, k < r, t = m + r - 1

It is polynomial multiplication, transposed (Cook and Toom). Two polynomials of degrees m - 1 and r - 1 are multiplied
by evaluating both at t points, multiplying the values and interpolating. With the points p_0 … p_(t-2) and infinity,
where a polynomial's value is its leading coefficient, evaluation is a matrix of powers; Lagrange's interpolation
divides by N_j = Π_(l≠j) (p_j - p_l) and multiplies by the polynomials Π_(l≠j) (z - p_l), and Π_l (z - p_l) for
infinity. Transposing the bilinear map exchanges the product and one factor: the evaluation of the polynomial with m
coefficients becomes Aᵀ, the interpolation Bᵀ. The divisions by N_j go into G: weights are transformed only once.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias

import numpy as np

from sevenloops.arrays import Array

__all__ = ["POINTS", "Matrix", "Transforms", "cook_toom", "transform_arrays"]

Matrix: TypeAlias = tuple[tuple[Fraction, ...], ...]

_HALF = Fraction(1, 2)

#: The finite interpolation points by their number. Among simple fractions these, or points that only differ in signs,
#: had the smallest error in float32 for F(2, r) and F(4, r) up to r = 5. All are powers of two, so A and B are exact
#: in binary; a point next to the opposite of its inverse balances the magnitudes in the rows of B and G.
POINTS: dict[int, tuple[Fraction, ...]] = {
    count: (Fraction(0), Fraction(1), Fraction(-1), _HALF, Fraction(-2), -_HALF, Fraction(2))[:count]
    for count in range(8)
}


@dataclass(frozen=True, slots=True)
class Transforms:
    """The matrices of F(m, r), with t = m + r - 1.

    Attributes
    ----------
    output : Aᵀ, m × t
    kernel : G, t × r
    input : Bᵀ, t × t
    """

    output: Any
    kernel: Any
    input: Any


@lru_cache(maxsize=64)
def cook_toom(m: int, r: int, points: tuple[Fraction, ...] | None = None) -> Transforms:
    """Return the matrices of F(m, r) as exact fractions.

    Parameters
    ----------
    m : int
        Outputs of a tile.
    r : int
        Taps of the kernel.
    points : tuple of Fraction, optional
        The m + r - 2 finite points, if not those of `POINTS`.

    References
    ----------
    A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308.
    B. Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks",
    arXiv 1803.10986.

    Examples
    --------
    >>> exact = cook_toom(2, 2)
    >>> [[str(value) for value in row] for row in exact.output]
    [['1', '1', '0'], ['0', '1', '1']]
    >>> [[str(value) for value in row] for row in exact.input]
    [['-1', '1', '0'], ['0', '1', '0'], ['0', '-1', '1']]
    """
    points = POINTS[m + r - 2] if points is None else points
    others = [[q for q in points if q != p] for p in points]
    divisors = [prod((p - q for q in rest), start=Fraction(1)) for p, rest in zip(points, others)]
    at_infinity = [tuple(Fraction(int(i == n - 1)) for i in range(n)) for n in (m, r)]
    output = zip(*(*(_powers(p, m) for p in points), at_infinity[0]))
    kernel = [tuple(power / n for power in _powers(p, r)) for p, n in zip(points, divisors)]
    # A polynomial with one point fewer has one coefficient fewer.
    rows = [(*_from_roots(rest), Fraction(0)) for rest in others]
    return Transforms(
        output=tuple(output), kernel=(*kernel, at_infinity[1]), input=(*rows, _from_roots(list(points)))
    )


@lru_cache(maxsize=64)
def transform_arrays(m: int, r: int, dtype: np.dtype[Any]) -> Transforms:
    """Return the matrices of F(m, r) as read-only arrays."""
    exact = cook_toom(m, r)
    return Transforms(*(_rounded(matrix, dtype) for matrix in (exact.output, exact.kernel, exact.input)))


def _rounded(matrix: Matrix, dtype: np.dtype[Any]) -> Array:
    array = np.array([[float(value) for value in row] for row in matrix], dtype)
    array.flags.writeable = False
    return array


def _powers(point: Fraction, count: int) -> tuple[Fraction, ...]:
    return tuple(point**i for i in range(count))


def _from_roots(roots: list[Fraction]) -> tuple[Fraction, ...]:
    """Return the coefficients of Π (z - root), the constant one first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [*(root * c for c in coefficients), Fraction(0)]
        coefficients = [a - b for a, b in zip(shifted, scaled)]
    return tuple(coefficients)
