"""Real FFTs of pieces of arrays over their last axes, in buffers, in the precision of the data.

NumPy's transforms take the factor that `norm` stands for as an argument. By default the forward ones get the integer
1, and float32 data is then transformed in double precision, with a copy before and behind; "ortho" makes the factor a
float32 and keeps all in single precision. So forward transforms here are divided by the root of their size, and
`transform_back` by the whole; who multiplies two spectra multiplies by `scale`, too.
"""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.pieces import overlap

__all__ = ["Transformer", "scale"]


def scale(lengths: tuple[int, ...]) -> float:
    """Return by what the product of two spectra is too small: each one is divided by the root of the size."""
    return float(prod(lengths))


class Transformer:
    """Transforms of given lengths along the last axes, with the memory that they need.

    Parameters
    ----------
    lengths : tuple of int
        Of the transforms, per axis.
    elements : (int, int)
        Real and complex elements of the buffers.
    dtype : numpy.dtype
        float32 or float64.
    """

    def __init__(self, lengths: tuple[int, ...], elements: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self._lengths = lengths
        self._shape = (*lengths[:-1], lengths[-1] // 2 + 1)
        self._real = runtime.empty((elements[0],), dtype)
        self._complex = runtime.empty((elements[1],), np.result_type(dtype, np.complex64))

    def transform(
        self, array: Array, starts: list[int], counts: tuple[int, ...], steps: tuple[int, ...], factor: float = 1
    ) -> Array:
        """Return the spectra of a piece of an array.

        Parameters
        ----------
        array : ndarray, (*batch, *sizes)
        starts : list of int
            Where the piece begins, per axis. Outside the array it is zero.
        counts : tuple of int
            Elements of the piece, per axis.
        steps : tuple of int
            From one element to the next in what is transformed, per axis; between them are zeros.
        factor : float
            By which the piece is multiplied.

        Returns
        -------
        ndarray, (*batch, frequencies)
            In a buffer: only valid until the next call.
        """
        axes = len(steps)
        batch, sizes = array.shape[:-axes], array.shape[-axes:]
        filled = tuple((count - 1) * step + 1 for count, step in zip(counts, steps))
        piece = _take(self._real, (*batch, *filled))
        inside, place = overlap(starts, counts, sizes)
        target = piece[_index(slice(None, None, step) for step in steps)][inside]
        if target.shape != piece.shape:
            piece[...] = 0
        target[...] = array[place]
        if factor != 1:
            piece *= factor
        spectra = _take(self._complex, (*batch, *self._shape))
        rows = [slice(0, size) for size in filled[:-1]]
        whole = [slice(None)] * axes
        np.fft.rfft(piece, self._lengths[-1], axis=-1, norm="ortho", out=spectra[_index([*rows, whole[0]])])
        for axis in reversed(range(axes - 1)):
            # Behind this axis all is filled; before it only so many rows are, the others need no transform yet.
            lines = spectra[_index([*rows[:axis], *whole[axis:]])]
            lines[_index([slice(filled[axis], None), *whole[axis + 1 :]])] = 0
            np.fft.fft(lines, axis=axis - axes, norm="ortho", out=lines)
        return spectra.reshape(*batch, -1)

    def transform_back(self, spectra: Array, counts: tuple[int, ...], steps: tuple[int, ...]) -> Array:
        """Return elements of the arrays that have these spectra.

        Parameters
        ----------
        spectra : ndarray, (*batch, frequencies)
        counts : tuple of int
            How many elements, per axis; the first is that at 0.
        steps : tuple of int
            From one to the next, per axis.

        Returns
        -------
        ndarray, (*batch, *counts)
            In a buffer: only valid until the next call.
        """
        axes = len(steps)
        batch = spectra.shape[:-1]
        lines = _take(self._complex, (*batch, *self._shape))
        lines.reshape(spectra.shape)[...] = spectra
        for axis in range(axes):
            wanted = slice(0, (counts[axis] - 1) * steps[axis] + 1, steps[axis])
            if axis < axes - 1:
                np.fft.ifft(lines, axis=axis - axes, out=lines)
                lines = lines[_index([wanted, *[slice(None)] * (axes - axis - 1)])]
        rows = _take(self._real, (*lines.shape[:-1], self._lengths[-1]))
        np.fft.irfft(lines, self._lengths[-1], axis=-1, out=rows)
        result: Array = rows[..., wanted]
        return result


def _index(slices: Iterable[slice]) -> Any:
    """Return the index of these slices along the last axes."""
    return (..., *slices)


def _take(buffer: Array, shape: tuple[int, ...]) -> Array:
    return buffer[: prod(shape)].reshape(shape)
