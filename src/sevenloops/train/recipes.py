"""Models, optimizers and schedules by name, as the command line asks for them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sevenloops.nn import Module
from sevenloops.nn.models import LeNet5
from sevenloops.optim import SGD, Adam, Optimizer
from sevenloops.schedules import CosineAnnealingLR
from sevenloops.train.config import TrainConfig

__all__ = [
    "MODELS",
    "OPTIMIZERS",
    "SCHEDULES",
    "ModelRecipe",
    "OptimizerRecipe",
    "build_model",
    "build_optimizer",
    "build_schedule",
]


@dataclass(frozen=True)
class ModelRecipe:
    """How to build a model for a set of images.

    Attributes
    ----------
    title : str
        The model's usual name.
    build : callable
        ``build(config, in_channels, num_classes, rng) -> Module``.
    """

    title: str
    build: Callable[[TrainConfig, int, int, np.random.Generator], Module]


@dataclass(frozen=True)
class OptimizerRecipe:
    """How to build an optimizer, and the learning rate it has where none is given."""

    build: Callable[[Iterable[Any], TrainConfig, float], Optimizer]
    lr: float


def _lenet5(config: TrainConfig, in_channels: int, num_classes: int, rng: np.random.Generator) -> Module:
    return LeNet5(num_classes, in_channels, config.activation, config.pool, algorithm=config.algorithm, rng=rng)


def _sgd(parameters: Iterable[Any], config: TrainConfig, lr: float) -> Optimizer:
    return SGD(parameters, lr=lr, momentum=config.momentum, weight_decay=config.weight_decay)


def _adam(parameters: Iterable[Any], config: TrainConfig, lr: float) -> Optimizer:
    return Adam(parameters, lr=lr, weight_decay=config.weight_decay)


#: What ``--model`` knows.
MODELS = {"lenet5": ModelRecipe("LeNet-5", _lenet5)}

#: What ``--optimizer`` knows.
OPTIMIZERS = {"adam": OptimizerRecipe(_adam, 0.003), "sgd": OptimizerRecipe(_sgd, 0.03)}

#: What ``--schedule`` knows: how to build each for an optimizer and a number of steps.
SCHEDULES: dict[str, Callable[[Optimizer, int], CosineAnnealingLR | None]] = {
    "cosine": CosineAnnealingLR,
    "constant": lambda optimizer, steps: None,
}


def build_model(config: TrainConfig, in_channels: int, num_classes: int, rng: np.random.Generator) -> Module:
    """Return the model that the configuration names, with new weights.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    _check_name("model", config.model, MODELS)
    return MODELS[config.model].build(config, in_channels, num_classes, rng)


def build_optimizer(config: TrainConfig, parameters: Iterable[Any]) -> Optimizer:
    """Return the optimizer that the configuration names.

    Raises
    ------
    ValueError
        If there is no such optimizer.
    """
    _check_name("optimizer", config.optimizer, OPTIMIZERS)
    recipe = OPTIMIZERS[config.optimizer]
    return recipe.build(parameters, config, recipe.lr if config.lr is None else config.lr)


def build_schedule(config: TrainConfig, optimizer: Optimizer, steps: int) -> CosineAnnealingLR | None:
    """Return the schedule that the configuration names, for so many steps; None keeps the learning rate.

    Raises
    ------
    ValueError
        If there is no such schedule.
    """
    _check_name("schedule", config.schedule, SCHEDULES)
    return SCHEDULES[config.schedule](optimizer, steps)


def _check_name(kind: str, name: str, table: Mapping[str, object]) -> None:
    if name not in table:
        raise ValueError(f"{kind} must be one of {', '.join(table)}, but got {name!r}.")
