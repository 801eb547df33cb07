"""What a training run is made of: everything needed to repeat it, or to use its weights."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sevenloops.errors import DataError
from sevenloops.geometry.arguments import integer

__all__ = ["TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """The choices of a training run.

    Parameters
    ----------
    model, optimizer : str
        Names in `sevenloops.train.MODELS` and `OPTIMIZERS`.
    data : str
        A name or folder for `sevenloops.data.open_dataset`.
    image_size : int, optional
        Height and width to which pictures in folders are resized.
    epochs, batch_size : int
    lr : float, optional
        Learning rate; None means the optimizer's usual one here.
    momentum, weight_decay : float
        Momentum is SGD's.
    shift : int
        Largest random shift of a training image along each axis, in pixels.
    activation, pool : str
        As the model takes them.
    algorithm : str
        That of all convolutions.
    seed : int
        What the initial weights, the order of the images and the shifts are drawn from.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong kind or out of range.
    """

    model: str = "lenet5"
    data: str = "digits"
    image_size: int | None = None
    epochs: int = 12
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 0.0
    shift: int = 1
    activation: str = "tanh"
    pool: str = "avg"
    algorithm: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, minimum in (("epochs", 1), ("batch_size", 1), ("shift", 0), ("seed", 0)):
            integer(name, getattr(self, name), minimum)
        if self.image_size is not None:
            integer("image_size", self.image_size, 1)
        _number("momentum", self.momentum, 0, 1)
        _number("weight_decay", self.weight_decay, 0, math.inf)
        if self.lr is not None and _number("lr", self.lr, 0, math.inf) == 0:
            raise ValueError("lr must be greater than 0, but got 0; leave it out for the usual one.")

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
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
            raise DataError(
                f"{where} must describe a training run by {len(names)} entries, but it lacks "
                f"{', '.join(missing) or 'none'} and has unknown {', '.join(unknown) or 'none'}."
            )
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise DataError(f"{where} must describe a valid training run, but {error}") from None


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, but got {value!r}.")
    if not low <= value < high:
        raise ValueError(f"{name} must be at least {low} and less than {high}, but got {value}.")
    return float(value)
