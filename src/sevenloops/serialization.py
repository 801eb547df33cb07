"""Arrays on disk, in the safetensors format: a JSON header and the bytes of every tensor, nothing that could run.

    8 bytes   N, the length of the header, little-endian
    N bytes   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …}, padded with spaces
    the rest  the tensors, C order, little-endian, one after another without gaps

A file is written beside its final place and moved there when it is complete, so a reader never meets half of one.
A file is believed only after every number in its header has been checked against the size of the file.
"""

import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from math import prod
from reprlib import Repr
from typing import Any, NamedTuple

import numpy as np

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.errors import DataError
from sevenloops.files import replacing

__all__ = ["load", "load_metadata", "save"]

#: The format's dtypes and what their bytes are, by increasing alignment: files hold the last ones first, so every
#: tensor starts at a multiple of its item size. BF16 (the upper half of a float32) has no NumPy dtype.
_CODES = "BOOL:u1 U8:u1 I8:i1 I16:<i2 U16:<u2 F16:<f2 BF16:<u2 I32:<i4 U32:<u4 F32:<f4 F64:<f8 I64:<i8 U64:<u8"
_DTYPES = {name: np.dtype(code) for name, code in (entry.split(":") for entry in _CODES.split())}
_RANK = {name: rank for rank, name in enumerate(_DTYPES)}
_NAMES = {dtype: name for name, dtype in _DTYPES.items() if name not in ("BOOL", "BF16")} | {np.dtype(bool): "BOOL"}

_ALIGNMENT = 8
_MAX_HEADER = 100_000_000  # bytes; the reference implementation refuses longer ones, in both directions
_MAX_AXES = 64  # NumPy's own limit
_METADATA = "__metadata__"

_shorten = Repr()
_shorten.maxstring = _shorten.maxother = _shorten.maxlong = 100


class _Entry(NamedTuple):
    """Where and what one tensor is; offsets count from the end of the header."""

    begin: int
    end: int
    name: str
    dtype: str
    shape: tuple[int, ...]


# --- writing -----------------------------------------------------------------------------------------------------


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor | ArrayLike],
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors to a safetensors file.

    The file is complete or it is not there: it is written under another name in the same folder, flushed to the disk
    and then moved over `path`. Equal contents give equal bytes, whatever the order of the mapping.

    Parameters
    ----------
    path : str or path-like
        The file to write; one that exists is replaced. Its folder must exist.
    tensors : mapping of str to Tensor or array
        Any shape and strides; bool, or an integer or float dtype of 8 to 64 bits in either byte order.
    metadata : mapping of str to str, optional
        Remarks to keep in the file's header; `load_metadata` returns them.

    Raises
    ------
    TypeError
        If a name or a remark is not a string, or a dtype has no name in the format.
    ValueError
        If a tensor is called ``__metadata__``, a name cannot be encoded, or the header would be too long.
    OSError
        If the file cannot be written; what was at `path` before is then still there.

    References
    ----------
    The format: https://github.com/huggingface/safetensors#format

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from sevenloops.serialization import load, load_metadata, save
    >>> folder = tempfile.TemporaryDirectory()
    >>> save(f"{folder.name}/w.safetensors", {"weight": np.eye(2)}, metadata={"epochs": "3"})
    >>> load(f"{folder.name}/w.safetensors")
    {'weight': array([[1., 0.], [0., 1.]])}
    >>> load_metadata(f"{folder.name}/w.safetensors")
    {'epochs': '3'}
    >>> folder.cleanup()
    """
    if not isinstance(tensors, Mapping):
        raise TypeError(f"tensors must map names to arrays, but got {type(tensors).__name__}; give them names.")
    arrays = {_tensor_name(name): _storable(name, value) for name, value in tensors.items()}
    names = sorted(sorted(arrays), key=lambda name: -_RANK[_NAMES[_wire_dtype(arrays[name])]])
    header = _encode_header({name: arrays[name] for name in names}, metadata)
    with replacing(path) as file:
        file.write(header)
        for name in names:
            array = arrays[name]
            wire = np.asarray(array, _wire_dtype(array), order="C")
            file.write(wire.reshape(-1).view(np.uint8).data)


def _tensor_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"The name of a tensor must be a string, but got {name!r}.")
    if name == _METADATA:
        raise ValueError(f"A tensor must not be called {_METADATA}, which the format keeps for remarks; rename it.")
    return name


def _storable(name: str, value: Any) -> Array:
    """Return `value` as an array whose dtype the format knows."""
    array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    if _wire_dtype(array) not in _NAMES:
        raise TypeError(
            f"A safetensors file holds {', '.join(map(str, _NAMES.values()))}, "
            f"but {name!r} has dtype {array.dtype}; convert it with astype."
        )
    return array


def _wire_dtype(array: Array) -> np.dtype[Any]:
    return array.dtype.newbyteorder("<")


def _encode_header(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None) -> bytes:
    """Return the length and the JSON, padded so that the tensors start at a multiple of 8 bytes."""
    fields: dict[str, Any] = {}
    if metadata is not None:
        for key, remark in metadata.items():
            if not isinstance(key, str) or not isinstance(remark, str):
                raise TypeError(f"metadata must map strings to strings, but got {key!r}: {remark!r}; use str().")
        fields[_METADATA] = dict(sorted(metadata.items()))
    begin = 0
    for name, array in arrays.items():
        end = begin + array.nbytes
        dtype = _NAMES[_wire_dtype(array)]
        fields[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    try:
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        broken = _shorten.repr(error.object[error.start : error.end])
        raise ValueError(f"Names and metadata must be valid Unicode, but one holds {broken}; replace it.") from None
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _MAX_HEADER:
        raise ValueError(
            f"The header of a safetensors file must have at most {_MAX_HEADER} bytes, but it would have {len(text)}; "
            f"use fewer tensors per file, shorter names or less metadata."
        )
    return len(text).to_bytes(8, "little") + text


# --- reading -----------------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read all tensors of a safetensors file.

    The header is checked completely against the size of the file before any tensor is allocated, so a damaged or
    hostile file costs no more memory than its own size.

    Parameters
    ----------
    path : str or path-like
        The file to read.

    Returns
    -------
    dict of str to ndarray
        In the order of the file. New, writable arrays of native byte order; BF16 becomes float32, exactly.

    Raises
    ------
    DataError
        If the file is not a regular file or breaks a rule of the format; the message names the rule.
    OSError
        If the file does not exist or cannot be read.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from sevenloops.serialization import load, save
    >>> folder = tempfile.TemporaryDirectory()
    >>> save(f"{folder.name}/w.safetensors", {"bias": np.arange(3)})
    >>> load(f"{folder.name}/w.safetensors")
    {'bias': array([0, 1, 2])}
    >>> folder.cleanup()
    """
    with _reading(path) as file:
        entries, _ = _read_header(file)
        return {entry.name: _read_tensor(file, entry) for entry in entries}


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the remarks in the header of a safetensors file, and no tensor.

    Parameters
    ----------
    path : str or path-like
        The file to read.

    Returns
    -------
    dict of str to str
        Empty where the file has none.

    Raises
    ------
    DataError
        If the file is not a regular file or its header breaks a rule of the format.
    OSError
        If the file does not exist or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from sevenloops.serialization import load_metadata, save
    >>> folder = tempfile.TemporaryDirectory()
    >>> save(f"{folder.name}/w.safetensors", {}, metadata={"model": "lenet5"})
    >>> load_metadata(f"{folder.name}/w.safetensors")
    {'model': 'lenet5'}
    >>> folder.cleanup()
    """
    with _reading(path) as file:
        return _read_header(file)[1]


class _BrokenRuleError(Exception):
    """A rule of the format that a file breaks; `_reading` adds which file."""


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[BufferedReader]:
    """Open a regular file; broken rules become a DataError that names it."""
    where = os.fspath(path)
    try:
        # Asked before opening: to open a pipe would wait for its other end, and folders fail differently everywhere.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _BrokenRuleError("it must be a regular file, but it is a folder or a device")
        with open(path, "rb") as file:
            yield file
    except _BrokenRuleError as error:
        raise DataError(f"{where!r} is not a safetensors file, or is damaged: {error}.") from None


def _read_header(file: BufferedReader) -> tuple[list[_Entry], dict[str, str]]:
    """Check everything that can be checked without the data; leave the file at the first tensor."""
    size = os.fstat(file.fileno()).st_size
    if size < 8:
        raise _BrokenRuleError(f"it must have at least 8 bytes, the length of its header, but it has {size}")
    length = int.from_bytes(_read_exactly(file, 8), "little")
    if length > _MAX_HEADER:
        raise _BrokenRuleError(f"its header must have at most {_MAX_HEADER} bytes, but it claims {length}")
    if 8 + length > size:
        raise _BrokenRuleError(f"its header claims {length} bytes, but after the first 8 it has only {size - 8}")
    fields = _parse(_read_exactly(file, length))
    metadata = _metadata(fields.pop(_METADATA, None))
    entries = sorted(_entry(name, value) for name, value in fields.items())
    _check_cover(entries, size - 8 - length)
    return entries, metadata


def _read_exactly(file: BufferedReader, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise _BrokenRuleError(f"it ended after {len(data)} of {length} bytes while being read")
    return data


def _parse(header: bytes) -> dict[str, Any]:
    if not header.startswith(b"{"):
        raise _BrokenRuleError(f"its header must start with '{{', but it starts with {header[:1]!r}")
    try:
        fields: dict[str, Any] = json.loads(
            header.decode(), object_pairs_hook=_unique_keys, parse_constant=_no_constant
        )
    except RecursionError:
        raise _BrokenRuleError("its header must be three levels deep, but it is nested without end") from None
    except ValueError as error:  # bad UTF-8, bad JSON, numbers of thousands of digits, and the hooks below
        raise _BrokenRuleError(f"its header must be a JSON object in UTF-8, but {error}") from None
    return fields


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise ValueError(f"{_shorten.repr(key)} is in it twice")
        for text in (key, value):
            if isinstance(text, str):
                text.encode()  # refuses halves of surrogate pairs, which JSON can spell and which are no text
        fields[key] = value
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _metadata(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(remark, str) for remark in value.values()):
        raise _BrokenRuleError(f"{_METADATA} must map strings to strings, but it is {_shorten.repr(value)}")
    return value


def _entry(name: str, fields: Any) -> _Entry:
    """Check one tensor by itself: its fields, and that its bytes are what dtype and shape need."""
    label = _shorten.repr(name)
    if not isinstance(fields, dict) or not {"dtype", "shape", "data_offsets"} <= fields.keys():
        raise _BrokenRuleError(f"{label} must have dtype, shape and data_offsets, but it is {_shorten.repr(fields)}")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise _BrokenRuleError(
            f"the dtype of {label} must be one of {', '.join(_DTYPES)}, but it is {_shorten.repr(dtype)}"
        )
    if not _are_counts(shape) or len(shape) > _MAX_AXES:
        raise _BrokenRuleError(
            f"the shape of {label} must be a list of at most {_MAX_AXES} integers from 0 to {sys.maxsize}, "
            f"but it is {_shorten.repr(shape)}"
        )
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _BrokenRuleError(
            f"data_offsets of {label} must be [begin, end] with 0 <= begin <= end, but it is {_shorten.repr(offsets)}"
        )
    begin, end = offsets
    # Zeros are left out of the first product: NumPy cannot hold the other axes of an empty array either.
    if prod(filter(None, shape)) > sys.maxsize // 8:
        raise _BrokenRuleError(f"the shape of {label} must fit into memory, but it is {_shorten.repr(shape)}")
    needed = prod(shape) * _DTYPES[dtype].itemsize
    if needed != end - begin:
        raise _BrokenRuleError(
            f"the bytes of {label} must be those of {dtype} {_shorten.repr(shape)}, {needed}, "
            f"but data_offsets [{begin}, {end}] give it {end - begin}"
        )
    return _Entry(begin, end, name, dtype, tuple(shape))


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(entry) is int and 0 <= entry <= sys.maxsize for entry in value)


def _check_cover(entries: list[_Entry], size: int) -> None:
    """Check that the sorted tensors cover the data exactly: no overlap, no hole, nothing before, nothing after."""
    covered, before = 0, "the start of the data"
    for entry in entries:
        label = _shorten.repr(entry.name)
        if entry.begin != covered:
            kind = "overlap" if entry.begin < covered else "leave a hole"
            raise _BrokenRuleError(
                f"its tensors must not {kind}, but {label} begins at byte {entry.begin} and {before} is at {covered}"
            )
        covered, before = entry.end, f"the end of {label}"
    if covered != size:
        raise _BrokenRuleError(f"its tensors need {covered} bytes of data, but it has {size}")


def _read_tensor(file: BufferedReader, entry: _Entry) -> Array:
    raw: Array = np.empty(entry.shape, _DTYPES[entry.dtype])
    count = file.readinto(raw.reshape(-1).view(np.uint8).data)
    if count != raw.nbytes:
        name = _shorten.repr(entry.name)
        raise _BrokenRuleError(f"it ended after {count} of the {raw.nbytes} bytes of {name} while being read")
    if entry.dtype == "BOOL":
        return np.not_equal(raw, 0, out=raw.view(np.bool_))  # the format does not promise that true is 1
    if entry.dtype == "BF16":
        return np.left_shift(raw, 16, dtype=np.uint32).view(np.float32)
    return raw.astype(raw.dtype.newbyteorder("="), copy=False)
