"""The matrices, in exact arithmetic against the definition of a correlation, and their points."""

from fractions import Fraction

import numpy as np
import pytest

from sevenloops.conv.winograd.transforms import POINTS, cook_toom, transform_arrays

SIZES = [(m, r) for m in range(1, 8) for r in range(1, 9 - m)]


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_they_compute_a_correlation_exactly(m, r):
    """y[i] is bilinear in g and d, so it is right if the factor of each g[k]·d[j] is: 1 where j = i + k, else 0."""
    exact = cook_toom(m, r)
    t = m + r - 1
    for i in range(m):
        for k in range(r):
            for j in range(t):
                factor = sum(exact.output[i][p] * exact.kernel[p][k] * exact.input[p][j] for p in range(t))
                assert factor == (1 if j == i + k else 0)


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_shapes_and_exactness(m, r):
    exact = cook_toom(m, r)
    t = m + r - 1
    for matrix, shape in ((exact.output, (m, t)), (exact.kernel, (t, r)), (exact.input, (t, t))):
        assert (len(matrix), {len(row) for row in matrix}) == (shape[0], {shape[1]})
        assert all(isinstance(value, Fraction) for row in matrix for value in row)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "r"), SIZES)
def test_arrays_are_the_fractions(m, r, dtype):
    exact, arrays = cook_toom(m, r), transform_arrays(m, r, np.dtype(dtype))
    for name in ("output", "kernel", "input"):
        array, matrix = getattr(arrays, name), getattr(exact, name)
        assert array.dtype == dtype
        assert not array.flags.writeable
        for row, values in zip(array, matrix, strict=True):
            for element, value in zip(row, values, strict=True):
                assert abs(Fraction(float(element)) - value) <= abs(value) * Fraction(float(np.finfo(dtype).eps)) / 2
                if name != "kernel":  # no division: nothing is rounded
                    assert Fraction(float(element)) == value


def test_points_differ_and_are_as_many_as_they_say():
    for count, points in POINTS.items():
        assert len(set(points)) == len(points) == count


@pytest.mark.parametrize(("m", "r"), [(4, 3), (2, 5)])
def test_points_are_better_than_whole_numbers(m, r, monkeypatch):
    """Lavin and Gray's 0, 1, -1, 2, -2 make larger rounding errors in float32."""

    def error():
        cook_toom.cache_clear()
        transform_arrays.cache_clear()
        rng = np.random.default_rng(0)
        d, g = rng.standard_normal((200, 16, m + r - 1, m + r - 1)), rng.standard_normal((16, r, r))
        results = []
        for dtype in (np.float32, np.float64):
            matrices = transform_arrays(m, r, np.dtype(dtype))
            a, b, c = matrices.output, matrices.input, matrices.kernel
            v, u = b @ d.astype(np.float32).astype(dtype) @ b.T, c @ g.astype(np.float32).astype(dtype) @ c.T
            results.append(a @ (v * u).sum(axis=1) @ a.T)
        return np.sqrt(((results[0] - results[1]) ** 2).mean() / (results[1] ** 2).mean())

    ours = error()
    monkeypatch.setitem(POINTS, 5, tuple(map(Fraction, (0, 1, -1, 2, -2))))
    theirs = error()
    monkeypatch.undo()
    cook_toom.cache_clear()
    transform_arrays.cache_clear()
    assert ours < 0.85 * theirs
