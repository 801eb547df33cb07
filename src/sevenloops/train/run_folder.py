"""The folder of a training run: made new, never written over, each file whole or absent."""

import csv
import io
import json
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sevenloops.data.transforms import Normalize
from sevenloops.errors import DataError
from sevenloops.files import replacing
from sevenloops.geometry.arguments import integer
from sevenloops.nn import Module
from sevenloops.serialization import load, save
from sevenloops.train.config import TrainConfig
from sevenloops.train.recipes import build_model
from sevenloops.version import __version__

__all__ = ["RunDescription", "RunFolder"]

_FORMAT = 1  # of config.json


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
    """

    config: TrainConfig
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    normalize: Normalize


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
    def create(cls, name: str | Path | None, prefix: str) -> "RunFolder":
        """Make a new folder: the one named, or the next free ``runs/PREFIX-<n>``.

        Raises
        ------
        FileExistsError
            If the one named exists and is not an empty folder.
        OSError
            If it cannot be made.
        """
        if name is not None:
            path = Path(name)
            if path.exists() and not (path.is_dir() and not any(path.iterdir())):
                raise FileExistsError(
                    f"A run must have a new or empty folder, but {path} exists; choose another name or remove it."
                )
            return cls._make(path, exist_ok=path.exists())  # not if another process was faster
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
            "versions": {
                "sevenloops": __version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }
        self._write("config.json", json.dumps(content, indent=2) + "\n")

    def write_history(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write history.csv: one row per epoch."""
        records = list(rows)
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        self._write("history.csv", text.getvalue())

    def write_weights(self, model: Module) -> None:
        """Write weights.safetensors."""
        save(self._file("weights.safetensors"), model.state_dict())

    def _write(self, name: str, text: str) -> None:
        with replacing(self._file(name)) as file:
            file.write(text.encode())

    def _file(self, name: str) -> Path:
        path = self.path / name
        self._written.add(path)
        return path

    # --- reading -------------------------------------------------------------------------------------------------

    def read_config(self) -> RunDescription:
        """Read config.json.

        Raises
        ------
        DataError
            If the folder is no run's, or the file does not describe one.
        """
        path = self.path / "config.json"
        if not path.is_file():
            raise DataError(
                f"A run is a folder with config.json, but {self.path} has none; "
                f"name one that sevenloops train has made, such as runs/lenet5-digits-1."
            )
        try:
            content = json.loads(path.read_bytes())
            if content["format"] != _FORMAT:
                raise DataError(
                    f"{path} must be of format {_FORMAT}, but is of format {content['format']!r}; "
                    f"use the version of sevenloops that wrote it."
                )
            return RunDescription(
                config=TrainConfig.from_json(content["config"], str(path)),
                class_names=_names(content["class_names"]),
                image_shape=_image_shape(content["image_shape"]),
                normalize=_normalize(content["mean"], content["std"], content["image_shape"][0]),
            )
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
        path = self.path / "weights.safetensors"
        if not path.is_file():
            raise DataError(f"{self.path} must hold weights.safetensors, but does not; the run may not have ended.")
        try:
            model = build_model(
                description.config, description.image_shape[0], len(description.class_names), np.random.default_rng(0)
            )
        except ValueError as error:
            raise DataError(f"{self.path / 'config.json'} must describe a model that exists: {error}") from None
        weights = load(path)
        try:
            model.load_state_dict(weights)
        except ValueError as error:
            raise DataError(
                f"{path} must hold the weights of the model that config.json describes: {error}"
            ) from None
        return model.eval()


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
