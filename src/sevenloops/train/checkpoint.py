"""The state of a training run as one file: arrays as safetensors, everything else as JSON in its metadata."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.errors import DataError
from sevenloops.serialization import load, load_metadata, save

__all__ = ["read_checkpoint", "write_checkpoint"]

_FORMAT = 2
_KEY, _DIGEST = "sevenloops.checkpoint", "sevenloops.sha256"  # in the metadata
_ARRAY = "array"  # {"array": name} stands for an array of the file


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state, atomically: the file has the old one or the new one.

    Parameters
    ----------
    path : Path
    state : mapping
        Nested dicts, lists and tuples of arrays and plain values.

    Raises
    ------
    OSError
        If it cannot be written; what was there is there still.
    """
    arrays: dict[str, Array] = {}
    text = json.dumps({"format": _FORMAT, "state": _pack(state, "", arrays)})
    save(path, arrays, metadata={_KEY: text, _DIGEST: _digest(text, arrays)})


def _digest(text: str, arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of all that a checkpoint holds: one wrong bit would lead to other weights, unnoticed."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name], arrays[name].dtype.newbyteorder("="))  # as it is read again
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _pack(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """Return what JSON can hold of a value; its arrays go into `arrays`, named for where they stand."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {_ARRAY: path}
    if isinstance(value, Mapping):
        return {
            str(name): _pack(entry, f"{path}.{name}" if path else str(name), arrays) for name, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [_pack(entry, f"{path}.{number}", arrays) for number, entry in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `write_checkpoint` has written; tuples have become lists, and all keys strings.

    Raises
    ------
    DataError
        If the file is damaged or no checkpoint.
    """
    arrays, metadata = load(path), load_metadata(path)
    try:
        content = json.loads(metadata[_KEY])
        if content["format"] != _FORMAT:
            raise DataError(
                f"{path} must be a checkpoint of format {_FORMAT}, but is of format {content['format']!r}; "
                f"go on with the version of sevenloops that wrote it."
            )
        if metadata[_DIGEST] != _digest(metadata[_KEY], arrays):
            raise DataError(
                f"{path} must hold what was written with its SHA-256 {metadata[_DIGEST]:.12}…, but is damaged; "
                f"remove it to start anew."
            )
        state: dict[str, Any] = _unpack(content["state"], arrays)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} must be the checkpoint of a training run, but is none ({error!r:.100}); remove it to start anew."
        ) from None
    return state


def _unpack(value: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return [_unpack(entry, arrays) for entry in value]
    if isinstance(value, dict):
        if set(value) == {_ARRAY} and isinstance(value[_ARRAY], str):
            return arrays[value[_ARRAY]]
        return {name: _unpack(entry, arrays) for name, entry in value.items()}
    return value
