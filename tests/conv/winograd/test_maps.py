"""The maps along every axis, against sums written out, and against each other as adjoints."""

from math import prod

import numpy as np
import pytest

from sevenloops.conv.winograd.maps import analyse, fold, synthesise
from sevenloops.conv.winograd.tiling import analysis_shapes, folding_shapes, synthesis_shapes

#: Images, tiles, step (m), window (t), products (k) per axis, channels.
CASES = [
    (1, (3,), (2,), (4,), (4,), 5),
    (2, (3, 2), (4, 2), (6, 3), (6, 3), 3),
    (2, (2, 1), (2, 4), (6, 8), (5, 7), 2),  # windows reach over two neighbours
    (1, (1, 4), (1, 4), (1, 4), (6, 2), 3),  # windows that do not overlap
    (1, (2, 1, 2), (2, 4, 1), (4, 5, 3), (4, 5, 2), 2),
]


def chain(shapes, rng):
    return [rng.standard_normal(shape) for shape in shapes]


def letters(axes):
    return "ijk"[:axes], "uvw"[:axes], "abc"[:axes]


def windows_of(x, tiles, step, window):
    """(images, C, *positions) to (images, C, *tiles, *window), one window after another."""
    result = np.empty((*x.shape[:2], *tiles, *window))
    for place in np.ndindex(*tiles):
        start = [i * s for i, s in zip(place, step, strict=True)]
        piece = x[(slice(None), slice(None), *(slice(a, a + n) for a, n in zip(start, window, strict=True)))]
        result[(slice(None), slice(None), *place)] = piece
    return result


def analysed(x, matrices, tiles, step):
    """The definition of `analyse`, as (*k, images, *tiles, C)."""
    ijk, uvw, abc = letters(len(tiles))
    windows = windows_of(x, tiles, step, [m.shape[1] for m in matrices])
    factors = ",".join(f"{a}{u}" for a, u in zip(abc, uvw, strict=True))
    return np.einsum(f"nC{ijk}{uvw},{factors}->{abc}n{ijk}C", windows, *matrices)


@pytest.mark.parametrize("case", CASES)
def test_analyse(case):
    images, tiles, step, t, k, channels = case
    rng = np.random.default_rng(0)
    matrices = [rng.standard_normal(shape) for shape in zip(k, t, strict=True)]
    reach = tuple((n - 1) * s + w for n, s, w in zip(tiles, step, t, strict=True))
    arrays = chain(analysis_shapes(images, reach, tiles, k, channels), rng)
    expected = analysed(np.moveaxis(arrays[0], -1, 1), matrices, tiles, step)
    analyse(matrices, step, tiles, arrays)
    np.testing.assert_allclose(arrays[-1].reshape(expected.shape), expected, atol=1e-12)
    # ... into a part of something larger, too
    larger = np.full((prod(k), images * prod(tiles) + 3, channels), 7.0)
    analyse(matrices, step, tiles, [*arrays[:-1], larger[:, 1:-2]])
    np.testing.assert_allclose(larger[:, 1:-2].reshape(expected.shape), expected, atol=1e-12)
    assert (larger[:, [0, -2, -1]] == 7).all()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("apart", [0, 3])
@pytest.mark.parametrize("case", CASES)
def test_synthesise(case, channels_last, apart):
    images, tiles, m, t, _, channels = case
    if channels_last and apart:
        return
    rng = np.random.default_rng(1)
    matrices = [rng.standard_normal(shape) for shape in zip(m, t, strict=True)]
    arrays = chain(synthesis_shapes(images, tiles, m, t, channels, apart), rng)
    ijk, uvw, abc = letters(len(tiles))
    factors = ",".join(f"{a}{u}" for a, u in zip(abc, uvw, strict=True))
    order = "".join(i + a for i, a in zip(ijk, abc, strict=True))
    source = arrays[0].reshape(*t, images, *tiles, channels)
    expected = np.einsum(f"{uvw}n{ijk}C,{factors}->nC{order}", source, *matrices)
    sizes = [n * s for n, s in zip(tiles, m, strict=True)]
    result = synthesise(matrices, images, tiles, arrays, channels_last)
    assert np.shares_memory(result, arrays[-1])
    assert (result.strides[1] == result.itemsize) == (channels_last or prod(sizes) + apart == 1)
    np.testing.assert_allclose(result, expected.reshape(images, channels, *sizes), atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_fold_is_the_adjoint_of_analyse(case):
    """⟨analyse(x), c⟩ = ⟨x, fold(c)⟩ for every x, so fold(c) is right in each element."""
    images, tiles, step, t, _, channels = case
    rng = np.random.default_rng(2)
    matrices = [rng.standard_normal((n, n)) for n in t]
    arrays = chain(folding_shapes(images, tiles, step, t, channels), rng)
    c = arrays[0].reshape(*t, images, *tiles, channels).copy()
    folded = fold(matrices, step, images, tiles, arrays)
    reach = [(n - 1) * s + w for n, s, w in zip(tiles, step, t, strict=True)]
    assert folded.shape == (images, channels, *reach)
    for place in np.ndindex(folded.shape):
        x = np.zeros(folded.shape)
        x[place] = 1
        transposed = [matrix.T for matrix in matrices]
        assert folded[place] == pytest.approx((analysed(x, transposed, tiles, step) * c).sum(), abs=1e-10)
