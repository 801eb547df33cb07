"""Moving, cropping and mirroring the images of a batch, each by an amount of its own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sevenloops.arrays import Array
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import PaddingLike, SizeLike, integer, paddings, per_axis

__all__ = ["CenterCrop", "RandomCrop", "RandomHorizontalFlip", "RandomShift", "RandomVerticalFlip"]

_PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


@dataclass(frozen=True)
class RandomShift:
    """Move each image by whole pixels, up or down and left or right, by amounts drawn for it alone.

    An image moved by (dy, dx) has at (i, j) what was at (i - dy, j - dx), and `fill` where nothing was. Both amounts
    are uniform on -max_pixels, …, max_pixels.

    Parameters
    ----------
    max_pixels : int
        The largest shift, at least 0.
    fill : float, default 0
        What comes in from outside, on the scale of the images that the transform is applied to.

    Raises
    ------
    TypeError
        If `max_pixels` is not an integer.
    ShapeError
        If it is negative.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 1, 2, 2)
    >>> RandomShift(1, fill=9)(image, np.random.default_rng(3))[0, 0]
    array([[9, 3],
           [9, 9]], dtype=uint8)
    """

    max_pixels: int
    fill: float = 0

    def __post_init__(self) -> None:
        integer("max_pixels", self.max_pixels, 0)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return a moved copy of a batch (N, C, H, W), of the same dtype."""
        count, _, height, width = _batch_shape(images)
        margin = self.max_pixels
        padded = _filled(images, ((margin, margin), (margin, margin)), self.fill)
        # The window that starts at (margin - dy, margin - dx) shows the image moved by (dy, dx); with (dy, dx) as
        # likely as (-dy, -dx), its start is uniform on 0, …, 2·margin.
        top, left = rng.integers(0, 2 * margin + 1, (2, count))
        return _cut_out(padded, top, left, (height, width))


@dataclass(frozen=True)
class RandomCrop:
    """Pad each image and cut a window out of it, at a place drawn for it alone; every place is as likely.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the window.
    padding : int or sequence, default 0
        Pixels added on each side before cutting: one number, or one entry for height and width each, a number or
        (before, after).
    fill : float, default 0
        What is padded with in mode "constant", on the scale of the images that the transform is applied to.
    padding_mode : str, default "constant"
        "constant", "edge" (the pixel at the border), "reflect" (mirrored without the pixel at the border) or
        "symmetric" (mirrored with it), as in `numpy.pad`.

    Raises
    ------
    TypeError
        If `size` or `padding` are not integers.
    ShapeError
        If one of them is out of range, or `padding_mode` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 1, 2, 2)
    >>> RandomCrop(3, padding=1, padding_mode="edge")(image, np.random.default_rng(1))[0, 0]
    array([[1, 2, 2],
           [1, 2, 2],
           [3, 4, 4]], dtype=uint8)
    """

    size: SizeLike
    padding: PaddingLike = 0
    fill: float = 0
    padding_mode: str = "constant"

    def __post_init__(self) -> None:
        per_axis("size", self.size, 2)
        self._margins()
        if self.padding_mode not in _PADDING_MODES:
            raise ShapeError(
                f"padding_mode must be one of {', '.join(_PADDING_MODES)}, but got {self.padding_mode!r}."
            )

    def _margins(self) -> tuple[tuple[int, int], ...]:
        return paddings(self.padding, (1, 1), (1, 1), (1, 1), (1, 1), allow_same=False)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return a new batch (N, C, *size) from one (N, C, H, W), of the same dtype."""
        count = _batch_shape(images)[0]
        size, margins = per_axis("size", self.size, 2), self._margins()
        if self.padding_mode == "constant":
            padded = _filled(images, margins, self.fill)
        elif 0 in images.shape[2:] and margins != ((0, 0), (0, 0)):
            raise ShapeError(
                f"Images must have at least one pixel to be padded with, but their shape is {images.shape}; "
                f'use padding_mode="constant".'
            )
        else:
            mode: Any = self.padding_mode  # a plain str, which NumPy's annotations do not take
            padded = np.pad(images, ((0, 0), (0, 0), *margins), mode=mode)
        places = [own - wanted + 1 for own, wanted in zip(padded.shape[2:], size)]
        if min(places) < 1:
            raise ShapeError(
                f"size must be at most height and width of the padded images, {padded.shape[2:]}, but got {size}; "
                f"use more padding."
            )
        top, left = rng.integers(0, np.array(places)[:, np.newaxis], (2, count))
        return _cut_out(padded, top, left, size)


@dataclass(frozen=True)
class CenterCrop:
    """Cut a window out of the middle of each image: what to test on where `RandomCrop` makes what is trained on.

    Of an odd number of pixels to leave out, the window has the even half before it.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the window.

    Raises
    ------
    TypeError
        If `size` is not made of integers.
    ShapeError
        If one is less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> CenterCrop((1, 3))(np.arange(10, dtype=np.uint8).reshape(1, 1, 2, 5))[0, 0]
    array([[1, 2, 3]], dtype=uint8)
    """

    size: SizeLike

    def __post_init__(self) -> None:
        per_axis("size", self.size, 2)

    def __call__(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        """Return a new batch (N, C, *size) from one (N, C, H, W), of the same dtype; nothing in it is random."""
        _, _, height, width = _batch_shape(images)
        size = per_axis("size", self.size, 2)
        if size[0] > height or size[1] > width:
            raise ShapeError(
                f"size must be at most height and width of the images, {(height, width)}, but got {size}; "
                f"use a smaller one."
            )
        # Python rounds a half to the even number, as torchvision does here.
        top, left = round((height - size[0]) / 2), round((width - size[1]) / 2)
        return images[:, :, top : top + size[0], left : left + size[1]].copy()


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Mirror each image left to right with probability `p`, drawn for it alone.

    Parameters
    ----------
    p : float, default 0.5
        From 0 to 1.

    Raises
    ------
    TypeError
        If `p` is not a number.
    ShapeError
        If it is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.array([[[[1, 2]]], [[[3, 4]]], [[[5, 6]]]], np.uint8)
    >>> RandomHorizontalFlip()(images, np.random.default_rng(0)).tolist()
    [[[[1, 2]]], [[[4, 3]]], [[[6, 5]]]]
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        _check_probability(self.p)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return a new batch of the shape (N, C, H, W) and dtype of `images`."""
        return _mirrored(images, np.s_[:, :, :, ::-1], self.p, rng)


@dataclass(frozen=True)
class RandomVerticalFlip:
    """Turn each image upside down, as a mirror does, with probability `p`, drawn for it alone.

    Parameters
    ----------
    p : float, default 0.5
        From 0 to 1.

    Raises
    ------
    TypeError
        If `p` is not a number.
    ShapeError
        If it is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.array([[[[1], [2]]], [[[3], [4]]]], np.uint8)
    >>> RandomVerticalFlip()(images, np.random.default_rng(0)).tolist()
    [[[[1], [2]]], [[[4], [3]]]]
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        _check_probability(self.p)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return a new batch of the shape (N, C, H, W) and dtype of `images`."""
        return _mirrored(images, np.s_[:, :, ::-1], self.p, rng)


def _batch_shape(images: Array) -> tuple[int, int, int, int]:
    if images.ndim != 4:
        raise ShapeError(f"Images must have the shape (N, C, H, W), but theirs is {images.shape}.")
    count, channels, height, width = images.shape
    return count, channels, height, width


def _check_probability(p: Any) -> None:
    if isinstance(p, bool) or not isinstance(p, (float, int, np.floating, np.integer)):
        raise TypeError(f"p must be a number from 0 to 1, but got {p!r}.")
    if not 0 <= p <= 1:
        raise ShapeError(f"p must be a probability, from 0 to 1, but got {p!r}.")


def _filled(images: Array, margins: tuple[tuple[int, int], ...], fill: float) -> Array:
    """Return the images with margins of one value around them."""
    if images.dtype.kind in "iu":
        limits = np.iinfo(images.dtype)
        if not (limits.min <= fill <= limits.max and float(fill).is_integer()):
            raise ShapeError(
                f"fill must be a value that the images can hold, a whole number from {limits.min} to "
                f"{limits.max} for {images.dtype}, but got {fill!r}."
            )
    (top, bottom), (left, right) = margins
    count, channels, height, width = images.shape
    padded = np.full((count, channels, top + height + bottom, left + width + right), fill, images.dtype)
    padded[:, :, top : top + height, left : left + width] = images
    return padded


def _cut_out(images: Array, top: Array, left: Array, size: tuple[int, ...]) -> Array:
    """Return of each image the window of a size that starts at its own (top, left)."""
    windows = sliding_window_view(images, size, axis=(2, 3))
    cut: Array = windows[np.arange(len(images)), :, top, left]
    return cut


def _mirrored(images: Array, mirror: Any, p: float, rng: np.random.Generator) -> Array:
    """Return a copy in which each image is indexed with `mirror` with probability p."""
    chosen = rng.random(_batch_shape(images)[0]) < p
    result = images.copy()
    result[chosen] = images[mirror][chosen]
    return result
