"""Multiplication of vectors by a small matrix that is known now, in few instructions.

Winograd's matrices come from points in pairs p, -p. Rows of powers of such a pair agree in the even columns and are
opposite in the odd ones, so with E and O the sums over either kind the two results are E + O and E - O; where columns
are such a pair, the sum and the difference of their inputs take their places. Zeros cost nothing, ±1 an addition.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

from sevenloops.jit.language import Code, Value

__all__ = ["Matrix", "multiply", "multiply_both", "transposed"]

Matrix: TypeAlias = tuple[tuple[Fraction, ...], ...]

_Term: TypeAlias = tuple[Fraction, Value]


def transposed(matrix: Matrix) -> Matrix:
    """Return the transpose."""
    return tuple(zip(*matrix, strict=True))


def multiply(code: Code, matrix: Matrix, values: Sequence[Value]) -> list[Value]:
    """Write the product of a matrix and a column of vectors, one for each of its columns."""
    terms, columns = _paired(code, matrix, values)
    rows = transposed(columns)
    results: dict[int, Value] = {}
    for i, row in enumerate(rows):
        if i in results:
            continue
        partner = next((j for j in range(i + 1, len(rows)) if j not in results and _share(row, rows[j])), None)
        if partner is None:
            results[i] = _combine(code, [(c, v) for c, v in zip(row, terms, strict=True) if c])
            continue
        both = list(zip(row, rows[partner], terms, strict=True))
        even = _combine(code, [(a, v) for a, b, v in both if a and a == b])
        odd = _combine(code, [(a, v) for a, b, v in both if a and a == -b])
        results[i], results[partner] = even + odd, even - odd
    return [results[i] for i in range(len(rows))]


def multiply_both(code: Code, left: Matrix, right: Matrix, square: Sequence[Sequence[Value]]) -> list[list[Value]]:
    """Write left · square · rightᵀ."""
    halves = [multiply(code, left, column) for column in zip(*square, strict=True)]
    return [multiply(code, right, row) for row in zip(*halves, strict=True)]


def _paired(code: Code, matrix: Matrix, values: Sequence[Value]) -> tuple[list[Value], Matrix]:
    """Replace pairs of inputs whose columns agree but for signs by their sum and difference."""
    columns, terms = list(transposed(matrix)), list(values)
    done: set[int] = set()
    for i in range(len(columns)):
        for j in range(i + 1, len(columns)):
            if not {i, j} & done and _share(columns[i], columns[j]):
                a, b = columns[i], columns[j]
                columns[i] = tuple(x if x == y else Fraction(0) for x, y in zip(a, b, strict=True))
                columns[j] = tuple(x if x == -y else Fraction(0) for x, y in zip(a, b, strict=True))
                terms[i], terms[j] = values[i] + values[j], values[i] - values[j]
                done |= {i, j}
    return terms, tuple(columns)


def _share(a: Sequence[Fraction], b: Sequence[Fraction]) -> bool:
    """Whether two rows agree but for signs, with some of them equal and some opposite."""
    return (
        all(abs(x) == abs(y) for x, y in zip(a, b, strict=True))
        and any(x == y != 0 for x, y in zip(a, b, strict=True))
        and any(x == -y != 0 for x, y in zip(a, b, strict=True))
    )


def _combine(code: Code, terms: list[_Term]) -> Value:
    """Write a sum of multiples; what needs no multiplication comes first, so that the others are multiply-adds."""
    if not terms:
        return code.zero()
    first, *rest = sorted(terms, key=lambda term: (term[0] != 1, term[0] != -1))
    coefficient, value = first
    if coefficient != 1:
        value = code.vector(float(coefficient)) * value
    for coefficient, other in rest:
        if coefficient == 1:
            value = value + other
        elif coefficient == -1:
            value = value - other
        else:
            value = code.fma(code.vector(float(coefficient)), other, value)
    return value
