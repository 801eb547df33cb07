"""The folder of a training run: made new, never written over, each file whole or absent."""

import csv
import io
import json
import os
import platform
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sevenloops.data.transforms import Normalize
from sevenloops.errors import DataError
from sevenloops.files import leftovers, replacing
from sevenloops.geometry.arguments import integer
from sevenloops.nn import Module
from sevenloops.runtime import get_num_threads
from sevenloops.serialization import load, save
from sevenloops.train.checkpoint import read_checkpoint, write_checkpoint
from sevenloops.train.config import TrainConfig
from sevenloops.train.recipes import build_model
from sevenloops.train.trainer import Trainer
from sevenloops.version import __version__

__all__ = ["CURVES", "MISTAKES", "RunDescription", "RunFolder"]

R = TypeVar("R")

_FORMAT = 2  # of config.json

_CONFIG, _CHECKPOINT, _WEIGHTS, _HISTORY = (
    "config.json",
    "checkpoint.safetensors",
    "weights.safetensors",
    "history.csv",
)
CURVES, MISTAKES = "curves.png", "mistakes.png"

#: What a run may leave, in the order in which a new one removes it: config.json, which makes it a run, is the last.
_FILES = (_CHECKPOINT, _WEIGHTS, _HISTORY, CURVES, MISTAKES, _CONFIG)


@dataclass(frozen=True)
class RunDescription:
    """What config.json holds: the choices of a run, and what the weights need to be used.

    Attributes
    ----------
    config : TrainConfig
    class_names : tuple of str
    image_shape : (int, int, int)
        Channels, height and width.
    normalize : Normalize
        What training images went through.
    data_hash : str
        By which the same images and labels are known again.
    """

    config: TrainConfig
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    normalize: Normalize
    data_hash: str


class RunFolder:
    """The files of one training run.

    Parameters
    ----------
    path : str or path
        An existing folder; `RunFolder.create` makes a new one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._made: tuple[Path, ...] = ()
        self._written: set[Path] = set()

    @classmethod
    def create(cls, name: str | Path | None, prefix: str, *, force: bool = False) -> "RunFolder":
        """Make a new folder: the one named, or the next free ``runs/PREFIX-<n>``.

        Parameters
        ----------
        name : str or path, optional
        prefix : str
        force : bool
            Whether the one named may have files in it. Those of an earlier run are removed, all others stay.

        Raises
        ------
        FileExistsError
            If the one named exists and is not an empty folder.
        OSError
            If it cannot be made.
        """
        if name is not None:
            path = Path(name)
            if path.exists() and not (path.is_dir() and (force or _is_empty(path))):
                remedy = ", or replace the run in it by --force" if path.is_dir() else ""
                raise FileExistsError(
                    f"A run must have a new or empty folder, but {path} exists; choose another name{remedy}."
                )
            folder = cls._make(path, exist_ok=path.exists())  # not if another process was faster
            for file in _FILES:
                (path / file).unlink(missing_ok=True)
            folder.clean()
            return folder
        parent = cls._make(Path("runs"), exist_ok=True)
        number = 1
        while True:
            path = parent.path / f"{prefix}-{number}"
            try:
                path.mkdir()  # fails if another process was faster
            except FileExistsError:
                number += 1
            else:
                folder = cls(path)
                folder._made = (path, *parent._made)
                return folder

    @classmethod
    def _make(cls, path: Path, exist_ok: bool) -> "RunFolder":
        folder = cls(path)
        folder._made = tuple(place for place in (path, *path.parents) if not place.exists())
        path.mkdir(parents=True, exist_ok=exist_ok)
        return folder

    def clean(self) -> None:
        """Remove what a process has left that was killed while it was writing."""
        for file in leftovers(self.path):
            os.unlink(file)

    def discard(self) -> None:
        """Remove what has been written here, and the folders that `create` has made if they are then empty."""
        for file in self._written:
            file.unlink(missing_ok=True)
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()

    # --- writing -------------------------------------------------------------------------------------------------

    def write_config(self, description: RunDescription) -> None:
        """Write config.json."""
        content = {
            "format": _FORMAT,
            "config": description.config.to_json(),
            "class_names": list(description.class_names),
            "image_shape": list(description.image_shape),
            "mean": list(description.normalize.mean),
            "std": list(description.normalize.std),
            "data_hash": description.data_hash,
            "made_with": _made_with(),
        }
        self._write(_CONFIG, json.dumps(content, indent=2) + "\n")

    def write_history(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write history.csv: one row per epoch."""
        records = list(rows)
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        self._write(_HISTORY, text.getvalue())

    def write_weights(self, model: Module) -> None:
        """Write weights.safetensors."""
        save(self._file(_WEIGHTS), model.state_dict())

    def write_checkpoint(self, trainer: Trainer, description: RunDescription) -> None:
        """Write checkpoint.safetensors: all that is needed to go on from here, and which run it belongs to."""
        write_checkpoint(self._file(_CHECKPOINT), {"run": _identity(description), "trainer": trainer.state_dict()})

    def _write(self, name: str, text: str) -> None:
        with replacing(self._file(name)) as file:
            file.write(text.encode())

    def _file(self, name: str) -> Path:
        path = self.path / name
        self._written.add(path)
        return path

    # --- reading -------------------------------------------------------------------------------------------------

    @property
    def is_begun(self) -> bool:
        """Whether a run has written its configuration here."""
        return (self.path / _CONFIG).is_file()

    def read_config(self) -> RunDescription:
        """Read config.json.

        Raises
        ------
        DataError
            If the folder is no run's, or the file does not describe one.
        """
        return self._read_config(
            lambda content: RunDescription(
                config=TrainConfig.from_json(content["config"], str(self.path / _CONFIG)),
                class_names=_names(content["class_names"]),
                image_shape=_image_shape(content["image_shape"]),
                normalize=_normalize(content["mean"], content["std"], content["image_shape"][0]),
                data_hash=_text("data_hash", content["data_hash"]),
            )
        )

    def read_changes(self) -> list[str]:
        """Return in what the run was begun otherwise than it would be now ("numpy 2.0.2, now 2.4.6").

        Raises
        ------
        DataError
            As `read_config`.
        """
        now = _made_with()
        before = self._read_config(lambda content: {name: content["made_with"][name] for name in now})
        return [f"{name} {before[name]}, now {value}" for name, value in now.items() if before[name] != value]

    def _read_config(self, select: Callable[[Any], R]) -> R:
        """Return what `select` takes from the contents of config.json."""
        path = self.path / _CONFIG
        if not path.is_file():
            raise DataError(
                f"A run is a folder with {_CONFIG}, but {self.path} has none; "
                f"name one that sevenloops train has made, such as runs/lenet5-digits-1."
            )
        try:
            content = json.loads(path.read_bytes())
            if content["format"] != _FORMAT:
                raise DataError(
                    f"{path} must be of format {_FORMAT}, but is of format {content['format']!r}; "
                    f"use the version of sevenloops that wrote it."
                )
            return select(content)
        except DataError:
            raise
        except KeyError as error:
            raise DataError(f"{path} must describe a training run, but it lacks {error}; train again.") from None
        except (ValueError, TypeError, RecursionError) as error:
            reason = str(error).rstrip(".")
            raise DataError(
                f"{path} must describe a training run, but it is damaged ({reason}); train again."
            ) from None

    def read_model(self, description: RunDescription) -> Module:
        """Build the model and read its weights.

        Raises
        ------
        DataError
            If weights.safetensors is missing, damaged or of another model.
        """
        path = self.path / _WEIGHTS
        if not path.is_file():
            raise DataError(
                f"{self.path} must hold {_WEIGHTS}, but does not, since no epoch has ended there; "
                f"go on by sevenloops train --resume {shlex.quote(str(self.path))}."
            )
        try:
            model = build_model(
                description.config, description.image_shape[0], len(description.class_names), np.random.default_rng(0)
            )
        except ValueError as error:
            raise DataError(f"{self.path / _CONFIG} must describe a model that exists: {error}") from None
        weights = load(path)
        try:
            model.load_state_dict(weights)
        except ValueError as error:
            raise DataError(
                f"{path} must hold the weights of the model that config.json describes: {error}"
            ) from None
        return model.eval()

    def read_checkpoint(self, trainer: Trainer, description: RunDescription) -> bool:
        """Put a trainer where checkpoint.safetensors was written; return whether one was.

        Raises
        ------
        DataError
            If it is damaged, or another run's.
        """
        path = self.path / _CHECKPOINT
        if not path.exists():
            return False
        state = read_checkpoint(path)
        try:
            before, now = state["run"], _identity(description)
            others = [f"{name} {before[name]!r}, here {now[name]!r}" for name in now if before[name] != now[name]]
            if others:
                raise ValueError("; ".join(others))
            trainer.load_state_dict(state["trainer"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            reason = str(error).rstrip(".")
            raise DataError(
                f"{path} must hold the state of the run that {_CONFIG} describes, but does not ({reason}); "
                f"remove it to start again."
            ) from None
        return True


def _identity(description: RunDescription) -> dict[str, Any]:
    """Return what tells a run from others; its data may move."""
    choices = description.config.to_json()
    del choices["data"]
    return choices | {"data_hash": description.data_hash}


def _is_empty(folder: Path) -> bool:
    """Whether nothing is in a folder but what a killed process has left."""
    return len(leftovers(folder)) == sum(1 for _ in folder.iterdir())


def _made_with() -> dict[str, Any]:
    """Return what the bits of a result depend on beside configuration and data."""
    return {
        "sevenloops": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": get_num_threads(),
    }


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, but got {value!r:.100}")
    return value


def _names(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not values or not all(isinstance(name, str) for name in values):
        raise TypeError(f"class_names must be a list of names, but got {values!r:.100}")
    return tuple(values)


def _image_shape(values: Any) -> tuple[int, int, int]:
    channels, height, width = (integer("image_shape", length, 1) for length in values)
    return channels, height, width


def _normalize(mean: Any, std: Any, channels: int) -> Normalize:
    normalize = Normalize(mean, std)
    if len(normalize.mean) != channels:
        raise ValueError(f"mean and std must have one entry per channel ({channels}), but got {mean!r:.100}")
    return normalize
