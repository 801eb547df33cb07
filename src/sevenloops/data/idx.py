"""The idx format of MNIST: one array per file, gzip-compressed or not.

A file is two zero bytes, a byte for the dtype, a byte for the number of axes, the length of each axis as a
big-endian 32-bit integer, and the elements, big-endian too, the last axis running fastest.
"""

import gzip
import math
import os
import struct
import sys
import zlib
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from sevenloops.arrays import Array
from sevenloops.errors import DataError, ShapeError
from sevenloops.files import replacing

__all__ = ["read_idx", "write_idx"]

PathLike: TypeAlias = str | os.PathLike[str]

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MAX_AXES = 64  # NumPy's own limit; the format has room for 255
_MAX_LENGTH = 2**32 - 1
_GZIP_MAGIC = b"\x1f\x8b"

# The elements are read in pieces, so that memory grows with what the file holds and not with what it promises.
_PIECE = 1 << 20


def read_idx(path: PathLike) -> Array:
    """Read the array of an idx file.

    Whether the file is gzip-compressed is seen from its content, not from its name. Memory is bounded by what the
    header promises and by what the file holds, whichever is less.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    array
        Writable, in C order and native byte order; its dtype is uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    DataError
        If the file is not an idx file, or is shorter or longer than its header promises.
    OSError
        If the file cannot be opened or read.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".

    Examples
    --------
    >>> import os, tempfile, numpy as np
    >>> from sevenloops.data import read_idx, write_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "pair.gz")
    ...     write_idx(path, np.array([[1, 2], [3, -4]], np.int16))
    ...     read_idx(path)
    array([[ 1,  2],
           [ 3, -4]], dtype=int16)
    """
    with open(path, "rb") as file:
        compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        if not compressed:
            return _parse(path, file)
        try:
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                return _parse(path, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{path} must be a whole gzip file, but it is damaged ({error}); get it again."
            ) from error


def _parse(path: PathLike, stream: BinaryIO | gzip.GzipFile) -> Array:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not 1 <= magic[3] <= _MAX_AXES:
        codes = ", ".join(f"{code:02x}" for code in _DTYPES)
        raise DataError(
            f"{path} must be an idx file, which starts with the bytes 00 00, one of {codes}, and the number of axes "
            f"(1 to {_MAX_AXES}), but it starts with {magic.hex(' ') or 'nothing'}; get it again."
        )
    dtype, axes = _DTYPES[magic[2]], magic[3]
    header = stream.read(4 * axes)
    if len(header) < 4 * axes:
        raise DataError(
            f"{path} must hold the lengths of its {axes} axes in {4 * axes} bytes, but it ends after {len(header)}; "
            f"get it again."
        )
    shape = struct.unpack(f">{axes}I", header)
    # NumPy bounds the product of the non-zero lengths, even where the array is empty.
    if math.prod(length or 1 for length in shape) * dtype.itemsize > sys.maxsize:
        raise DataError(f"{path} must hold an array that fits into memory, but its shape is {shape}; get it again.")
    promised = math.prod(shape) * dtype.itemsize
    elements = bytearray()
    while len(elements) < promised:
        piece = stream.read(min(_PIECE, promised - len(elements)))
        if not piece:
            raise DataError(
                f"{path} must hold {promised} bytes after its header (shape {shape}, {dtype.itemsize} per element), "
                f"but it ends after {len(elements)}; get it again."
            )
        elements += piece
    if stream.read(1):
        raise DataError(
            f"{path} must end after the {promised} bytes that its header promises "
            f"(shape {shape}, {dtype.itemsize} per element), but there are more; get it again."
        )
    array: Array = np.ndarray(shape, dtype, buffer=elements)
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return array


def write_idx(path: PathLike, array: Array) -> None:
    """Write an array as an idx file, gzip-compressed if the name ends in ``.gz``.

    The same array gives the same bytes each time: the gzip header holds neither a time nor a name.

    Parameters
    ----------
    path : str or path
        The file; one that exists is replaced once the new one is complete.
    array : array
        Of dtype uint8, int8, int16, int32, float32 or float64, any byte order and strides, at least one axis.

    Raises
    ------
    TypeError
        If the format has no such dtype.
    ShapeError
        If the format has no such shape.
    OSError
        If the file cannot be written.

    Examples
    --------
    See `read_idx`.
    """
    array = np.asarray(array)
    code = {dtype: code for code, dtype in _DTYPES.items()}.get(array.dtype.newbyteorder(">"))
    if code is None:
        raise TypeError(
            f"An idx file holds {', '.join(dtype.name for dtype in _DTYPES.values())}, "
            f"but the array's dtype is {array.dtype}; convert it with array.astype(…)."
        )
    if array.ndim == 0 or max(array.shape) > _MAX_LENGTH:
        raise ShapeError(
            f"An idx file holds arrays of at least one axis, each at most {_MAX_LENGTH} long, "
            f"but the array's shape is {array.shape}; reshape it."
        )
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    elements = array.astype(_DTYPES[code], order="C", copy=False).reshape(-1).view(np.uint8)
    with replacing(path) as file:
        if not os.fspath(path).endswith(".gz"):
            file.write(header)
            file.write(elements.data)
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) as stream:
            stream.write(header)
            stream.write(elements.data)
