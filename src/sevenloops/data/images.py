"""Image files, read by Pillow, as arrays of uint8."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.data.idx import PathLike
from sevenloops.errors import DataError, MissingExtraError, ShapeError
from sevenloops.geometry.arguments import SizeLike, per_axis

__all__ = ["image_header", "is_image_name", "load_image"]

_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".avif", ".tif", ".tiff", ".pbm", ".pgm",
    ".pnm", ".ppm",
)  # fmt: skip
_GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"))
_ALPHA_MODES = frozenset(("LA", "La", "PA", "RGBA", "RGBa"))
_ORIENTATION = 0x0112  # the EXIF tag; values 5 to 8 swap height and width

# Memory is taken by what a header promises before the first pixel is read. A file of a few bytes may promise so many
# pixels, and a larger one so many per byte: more than a page of white does.
_PIXELS_OF_ANY_FILE = 1 << 24
_PIXELS_PER_BYTE = 5000
_ROUNDED_AT_ONCE = 1 << 20


def is_image_name(name: str) -> bool:
    """Return whether a file's name is that of an image: a known suffix, and no dot in front."""
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


def load_image(path: PathLike, channels: int, size: SizeLike | None = None) -> Array:
    """Read an image file as it is seen: upright as its EXIF data says, transparent parts over white.

    Parameters
    ----------
    path : str or path
        A PNG, JPEG or other file that Pillow reads; of an animation the first frame.
    channels : int
        1 for grey (the luma of a coloured image), 3 for red, green and blue.
    size : int or (int, int), optional
        Height and width to which the image is resized (bilinear, smoothed where it shrinks, not keeping its
        proportions); None keeps its own.

    Returns
    -------
    uint8 array, (channels, height, width)

    Raises
    ------
    DataError
        If the file is no image that Pillow reads, a damaged one, or one that promises more pixels than a file of its
        size can hold or than ``PIL.Image.MAX_IMAGE_PIXELS``.
    ShapeError
        If `channels` is neither 1 nor 3, or `size` is not one or two positive integers.
    MissingExtraError
        If Pillow is not installed.
    OSError
        If the file cannot be opened.
    """
    if channels not in (1, 3):
        raise ShapeError(f"channels must be 1 (grey) or 3 (red, green, blue), but got {channels!r}.")
    target = None if size is None else per_axis("size", size, 2)
    with _opened(path, to_the_end=True) as image:
        return _pixels(path, image, channels, target)


def image_header(path: PathLike) -> tuple[int, tuple[int, int]]:
    """Return an image's channels (1 or 3) and its (height, width) as seen upright.

    Its pixels are decoded only where EXIF data may stand behind them (PNG).
    """
    with _opened(path) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in (5, 6, 7, 8):
            width, height = height, width
        return (1 if image.mode in _GREY_MODES else 3), (height, width)


@contextmanager
def _opened(path: PathLike, *, to_the_end: bool = False) -> Iterator[Any]:
    """Open an image; whatever goes wrong in the block is the file's fault."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError("Reading image files", "pillow", "train") from None
    with open(path, "rb") as file:
        try:
            with Image.open(file) as image:
                _check_pixels(path, os.fstat(file.fileno()).st_size, *image.size, Image.MAX_IMAGE_PIXELS)
                if not to_the_end or image.format != "PNG":
                    yield image
                    return
                image.verify()  # the checksums of the pixels, which decoding them does not look at
            file.seek(0)
            with Image.open(file) as image:
                yield image
        except (DataError, MemoryError):
            raise
        # Pillow's decoders raise errors of many kinds on damaged files: OSError, SyntaxError, struct.error, ….
        except Exception as error:
            raise DataError(
                f"{os.fspath(path)} must be an image that Pillow can read, but it cannot ({error}); "
                f"replace or remove the file."
            ) from error


def _check_pixels(path: PathLike, file_bytes: int, width: int, height: int, most: int | None) -> None:
    """Refuse an image that would take more memory than its file can be worth."""
    limit = max(_PIXELS_OF_ANY_FILE, _PIXELS_PER_BYTE * file_bytes)
    if most is not None:
        limit = min(limit, most)
    if width * height > limit:
        raise DataError(
            f"{os.fspath(path)} must have at most {limit} pixels, as it has {file_bytes} bytes, "
            f"but its header promises {width}×{height}; replace or remove the file."
        )


def _pixels(path: PathLike, image: Any, channels: int, size: tuple[int, ...] | None) -> Array:
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = Image.fromarray(_eight_bits(path, np.asarray(image)))
    elif image.mode == "F":
        raise DataError(f"{path} must have pixels of 8 or 16 bits, but they are floats; convert the file.")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    pixels = np.array(image, np.uint8).reshape(image.height, image.width, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _eight_bits(path: PathLike, pixels: Array) -> Array:
    """Round pixels of 16 bits to 8."""
    if pixels.size and not 0 <= pixels.min() <= pixels.max() <= 65535:
        raise DataError(
            f"{path} must have pixels of 8 or 16 bits, but they range from {pixels.min()} to {pixels.max()}; "
            f"convert the file."
        )
    result = np.empty(pixels.shape, np.uint8)
    rows = max(1, _ROUNDED_AT_ONCE // max(1, pixels.shape[1]))
    for start in range(0, len(pixels), rows):  # in pieces, since each step takes as much memory as what it is done to
        piece = pixels[start : start + rows].astype(np.int32)
        result[start : start + rows] = (piece * 255 + 32767) // 65535
    return result
