"""The transforms against NumPy's own in double precision, of arrays with their zeros written out."""

import tracemalloc
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.conv.fft.transforms import Transformer, scale


def transformer(lengths, batch, dtype):
    half = (*lengths[:-1], lengths[-1] // 2 + 1)
    return Transformer(lengths, (batch * prod(lengths), batch * prod(half)), np.dtype(dtype))


@st.composite
def pieces(draw):
    """One axis: the size of the array, where the piece begins, its elements, their step, the transform's length."""
    size, start = draw(st.integers(1, 7)), draw(st.integers(-5, 8))
    elements, step = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    return size, start, elements, step, (elements - 1) * step + 1 + draw(st.integers(0, 3))


@given(st.lists(pieces(), min_size=1, max_size=3), st.sampled_from(["float32", "float64"]), st.integers(0, 99))
def test_there_and_back(axes, dtype, seed):
    sizes, starts, counts, steps, lengths = (tuple(column) for column in zip(*axes, strict=True))
    rng = np.random.default_rng(seed)
    array = rng.standard_normal((2, 3, *sizes)).astype(dtype)
    stuffed = np.zeros((2, 3, *lengths))
    for place in np.ndindex(*counts):
        source = [a + i for a, i in zip(starts, place, strict=True)]
        if all(0 <= p < n for p, n in zip(source, sizes, strict=True)):
            target = [i * s for i, s in zip(place, steps, strict=True)]
            stuffed[(..., *target)] = array[(..., *source)]
    expected = np.fft.rfftn(stuffed, axes=range(2, stuffed.ndim)) * 3.0 / np.sqrt(scale(lengths))
    transforms = transformer(lengths, 6, dtype)
    spectra = transforms.transform(array, list(starts), counts, steps, 3.0)
    assert spectra.dtype == np.result_type(dtype, np.complex64)
    error = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(spectra, expected.reshape(2, 3, -1), rtol=0, atol=error)
    back = transforms.transform_back(expected.reshape(2, 3, -1), counts, steps)
    assert back.dtype == dtype
    picked = stuffed[(..., *(slice(0, (n - 1) * s + 1, s) for n, s in zip(counts, steps, strict=True)))]
    np.testing.assert_allclose(back, picked * 3.0 / np.sqrt(scale(lengths)), rtol=0, atol=error)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lengths", [(4096,), (60, 64), (15, 16, 18)])
def test_nothing_is_copied_or_computed_in_another_precision(lengths, dtype):
    """NumPy's forward transforms of float32 would be in double precision, in copies, with its default norm."""
    axes = len(lengths)
    transforms = transformer(lengths, 5, dtype)
    counts = tuple(n - 3 for n in lengths)
    array = np.ones((5, *counts), dtype)
    for _ in range(2):
        tracemalloc.start()
        spectra = transforms.transform(array, [0] * axes, counts, (1,) * axes, 2.0)
        transforms.transform_back(spectra, counts, (1,) * axes)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert used < 16_000
