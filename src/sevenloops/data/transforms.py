"""What is done to a batch of images before a network sees it.

A transform is any callable ``transform(images, rng)``: it takes a batch (N, C, H, W) and the generator from which all
its random choices come, and returns a new batch; the one it was given stays as it was. `Loader` makes one generator
per batch, so that the choices depend neither on other batches nor on the order in which batches are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sevenloops.arrays import DTYPES, Array
from sevenloops.errors import ShapeError

__all__ = ["Compose", "Normalize", "Transform", "to_float32"]

_PIECE = 1024  # images counted at a time


class Transform(Protocol):
    """What `Loader` applies to each batch."""

    def __call__(self, images: Array, rng: np.random.Generator, /) -> Array:
        """Return a new batch made from `images`, (N, C, H, W), with random choices drawn from `rng`."""


def to_float32(images: Array) -> Array:
    """Return images as float32: uint8 divided by 255, so from 0 to 1, and floats as they are.

    Raises
    ------
    TypeError
        If the dtype is neither uint8 nor a float dtype.

    Examples
    --------
    >>> import numpy as np
    >>> to_float32(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if images.dtype == np.uint8:
        result = images.astype(np.float32)
        result /= np.float32(255)
        return result
    if images.dtype not in DTYPES:
        raise TypeError(f"Images must be uint8, float16, float32 or float64, but their dtype is {images.dtype}.")
    return images.astype(np.float32, copy=False)


@dataclass(frozen=True)
class Compose:
    """Several transforms, one after another.

    Parameters
    ----------
    transforms : sequence of transforms
        The first is applied first.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.data import RandomShift
    >>> augment = Compose([RandomShift(2), Normalize(0.1307, 0.3081)])
    >>> augment(np.zeros((5, 1, 28, 28), np.uint8), np.random.default_rng(0)).dtype
    dtype('float32')
    """

    transforms: Sequence[Transform]

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Apply all of them to a batch (N, C, H, W)."""
        for transform in self.transforms:
            images = transform(images, rng)
        return images


class Normalize:
    """Shift and scale each channel: ``(x - mean) / std``, where uint8 images count as x / 255.

    Parameters
    ----------
    mean : float or sequence of float
        One for all channels, or one per channel, on the scale from 0 to 1.
    std : float or sequence of float
        Likewise, positive.

    Attributes
    ----------
    mean, std : tuple of float
        What was given, as plain numbers.

    Raises
    ------
    ShapeError
        If their lengths differ, a value is not finite, or a `std` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> Normalize(0.5, 0.25)(np.array([0, 255], np.uint8).reshape(1, 1, 1, 2)).ravel()
    array([-2.,  2.], dtype=float32)
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        means, stds = np.atleast_1d(np.asarray(mean, np.float64)), np.atleast_1d(np.asarray(std, np.float64))
        if means.ndim != 1 or means.shape != stds.shape or not (np.isfinite(means).all() and np.isfinite(stds).all()):
            raise ShapeError(
                f"mean and std must both be one finite number, or one per channel, but got {mean!r} and {std!r}."
            )
        if not (stds > 0).all():
            raise ShapeError(f"std must be positive, but got {std!r}.")
        self.mean: tuple[float, ...] = tuple(means.tolist())
        self.std: tuple[float, ...] = tuple(stds.tolist())
        # (x / u - mean) / std = (x - u·mean) · 1 / (u·std), with u = 255 for uint8 and 1 for floats.
        self._terms = {unit: (_per_channel(unit * means), _per_channel(1 / (unit * stds))) for unit in (1, 255)}

    @classmethod
    def from_images(cls, images: Array) -> "Normalize":
        """Make the transform that gives each channel of these images mean 0 and standard deviation 1.

        Parameters
        ----------
        images : uint8 array, (N, C, H, W)
            Those to train on, never those to test on. They are read in pieces, not copied as a whole.

        Returns
        -------
        Normalize
            With a `std` of 1 where a channel is constant.

        Examples
        --------
        >>> import numpy as np
        >>> Normalize.from_images(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
        Normalize(mean=(0.5,), std=(0.5,))
        """
        if images.dtype != np.uint8:
            raise TypeError(f"images must be uint8, but their dtype is {images.dtype}.")
        if images.ndim != 4 or not images.size:
            raise ShapeError(f"images must be at least one in the shape (N, C, H, W), but got {images.shape}.")
        # How often each value occurs says it all, exactly and in little memory.
        values = np.arange(256) / 255
        means, stds = [], []
        for channel in range(images.shape[1]):
            counts = np.zeros(256, np.int64)
            for start in range(0, len(images), _PIECE):
                counts += np.bincount(images[start : start + _PIECE, channel].ravel(), minlength=256)
            mean = float(counts @ values / counts.sum())
            std = float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
            means.append(mean)
            stds.append(std if np.count_nonzero(counts) > 1 else 1.0)
        return cls(means, stds)

    def __call__(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        """Return a batch (N, C, H, W) of uint8 or floats as float32; there is nothing random in it."""
        if images.dtype != np.uint8 and images.dtype not in DTYPES:
            raise TypeError(f"Images must be uint8, float16, float32 or float64, but their dtype is {images.dtype}.")
        if images.ndim != 4 or len(self.mean) not in (1, images.shape[1]):
            raise ShapeError(
                f"Images must have the shape (N, {len(self.mean) if len(self.mean) > 1 else 'C'}, H, W), "
                f"as mean and std have {len(self.mean)} entries, but their shape is {images.shape}."
            )
        offset, scale = self._terms[255 if images.dtype == np.uint8 else 1]
        result = images.astype(np.float32)
        result -= offset
        result *= scale
        return result

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


def _per_channel(values: Array) -> Array:
    """View one value per channel so that it broadcasts over (N, C, H, W)."""
    return values.astype(np.float32)[:, np.newaxis, np.newaxis]
