"""The folder of a training run: made new, never written over, each file whole or absent."""

import csv
import io
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sevenloops.data.transforms import Normalize
from sevenloops.errors import DataError
from sevenloops.files import replacing
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

    @classmethod
    def create(cls, name: str | Path | None, prefix: str) -> "RunFolder":
        """Make a new folder: the one named, or the next free ``runs/PREFIX-<n>``.

        Raises
        ------
        FileExistsError
            If the one named exists and is not an empty folder.
        """
        if name is not None:
            path = Path(name)
            if path.exists() and not (path.is_dir() and not any(path.iterdir())):
                raise FileExistsError(
                    f"--out must name a new or empty folder, but {path} exists; choose another name or remove it."
                )
            path.mkdir(parents=True, exist_ok=True)
            return cls(path)
        number = 1
        while True:
            path = Path("runs") / f"{prefix}-{number}"
            try:
                path.mkdir(parents=True)  # fails if another process was faster
            except FileExistsError:
                number += 1
            else:
                return cls(path)

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
        self._write("config.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

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
        save(self.path / "weights.safetensors", model.state_dict())

    def _write(self, name: str, text: str) -> None:
        with replacing(self.path / name) as file:
            file.write(text.encode())

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
            channels, height, width = (int(length) for length in content["image_shape"])
            return RunDescription(
                config=TrainConfig.from_json(content["config"], str(path)),
                class_names=tuple(str(name) for name in content["class_names"]),
                image_shape=(channels, height, width),
                normalize=Normalize(content["mean"], content["std"]),
            )
        except DataError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"{path} must describe a training run, but it cannot be read ({type(error).__name__}: {error}); "
                f"restore it or train again."
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
        model = build_model(
            description.config, description.image_shape[0], len(description.class_names), np.random.default_rng(0)
        )
        weights = load(path)
        try:
            model.load_state_dict(weights)
        except ValueError as error:
            raise DataError(f"{path} must hold the weights of the model in config.json, but {error}") from None
        return model.eval()
