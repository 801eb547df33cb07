"""What a training run is made of: everything needed to repeat it, or to use its weights."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from sevenloops.errors import DataError
from sevenloops.geometry.arguments import flag, integer

__all__ = ["TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """The choices of a training run.

    Parameters
    ----------
    model, optimizer, schedule : str
        Names in `sevenloops.train.MODELS`, `OPTIMIZERS` and `SCHEDULES`.
    data : str
        A name or folder for `sevenloops.data.open_dataset`.
    image_size : int, optional
        Height and width to which pictures in folders are resized.
    epochs, batch_size : int
    lr : float, optional
        Learning rate at its largest; None means the optimizer's usual one here.
    warmup : int
        Epochs in which the learning rate rises to `lr`, before the schedule begins.
    momentum, weight_decay : float
        Momentum is that of SGD and RMSprop.
    clip_norm : float, optional
        Largest norm of all gradients together.
    label_smoothing, dropout : float
        From 0 to below 1.
    shift : int
        Largest random shift of a training image along each axis, in pixels.
    flip : bool
        Whether training images are mirrored left to right at random.
    activation, pool : str
        As the model takes them.
    algorithm : str
        That of all convolutions.
    seed : int
        What the initial weights, the order of the images, their shifts and flips, and dropout are drawn from.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong kind or out of range.

    Examples
    --------
    >>> config = TrainConfig(epochs=3, activation="relu", pool="max")
    >>> TrainConfig.from_json(config.to_json(), "a test") == config
    True
    """

    model: str = "lenet5"
    data: str = "digits"
    image_size: int | None = None
    epochs: int = 12
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float | None = None
    schedule: str = "cosine"
    warmup: int = 0
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    dropout: float = 0.0
    shift: int = 2
    flip: bool = False
    activation: str = "tanh"
    pool: str = "avg"
    algorithm: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is str and not isinstance(value, str):
                raise TypeError(f"{field.name} must be a string, but got {value!r}.")
        for name, minimum in (("epochs", 1), ("batch_size", 1), ("warmup", 0), ("shift", 0), ("seed", 0)):
            self._set(name, integer(name, getattr(self, name), minimum))
        if self.image_size is not None:
            self._set("image_size", integer("image_size", self.image_size, 1))
        if self.warmup >= self.epochs:
            raise ValueError(f"warmup must be less than epochs, but they are {self.warmup} and {self.epochs}.")
        for name in ("momentum", "label_smoothing", "dropout"):
            self._set(name, _number(name, getattr(self, name), below=1))
        self._set("weight_decay", _number("weight_decay", self.weight_decay))
        for name, absent in (("lr", "the usual one"), ("clip_norm", "none")):
            value = getattr(self, name)
            if value is not None:
                self._set(name, _number(name, value))
                if value == 0:
                    raise ValueError(f"{name} must be greater than 0, but got 0; leave it out for {absent}.")
        self._set("flip", flag("flip", self.flip))

    def _set(self, name: str, value: Any) -> None:
        """Replace a number by the same one in a type that JSON knows."""
        object.__setattr__(self, name, value)

    def to_json(self) -> dict[str, Any]:
        """Return the choices as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> "TrainConfig":
        """Return the configuration that `to_json` described; `where` names its file in messages.

        Raises
        ------
        DataError
            If entries are missing, unknown or wrong.
        """
        if not isinstance(values, Mapping):
            raise DataError(
                f"{where} must describe a training run by names and values, but it holds {values!r:.100}."
            )
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            wrong = [f"lacks {name}" for name in sorted(names - set(values))]
            wrong += [f"has an unknown {name!r}" for name in sorted(set(values) - names)]
            raise DataError(
                f"{where} must describe a training run by {', '.join(sorted(names))}, but it {', '.join(wrong)}."
            )
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise DataError(f"{where} must describe a training run: {error}") from None


def _number(name: str, value: Any, below: float = math.inf) -> float:
    """Return a number of at least 0 and less than `below`."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise TypeError(f"{name} must be a number, but got {value!r}.")
    if not 0 <= value < below:
        limit = "finite" if below == math.inf else f"less than {below}"
        raise ValueError(f"{name} must be at least 0 and {limit}, but got {value}.")
    return float(value)
