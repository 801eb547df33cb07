"""Models, optimizers and schedules by name, as the command line asks for them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from sevenloops.nn import Module
from sevenloops.nn.models import LeNet5
from sevenloops.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from sevenloops.schedules import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
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
    return LeNet5(
        num_classes,
        in_channels,
        config.activation,
        config.pool,
        dropout=config.dropout,
        algorithm=config.algorithm,
        rng=rng,
    )


def _sgd(parameters: Iterable[Any], config: TrainConfig, lr: float) -> Optimizer:
    return SGD(parameters, lr=lr, momentum=config.momentum, weight_decay=config.weight_decay)


def _adam(parameters: Iterable[Any], config: TrainConfig, lr: float) -> Optimizer:
    return Adam(parameters, lr=lr, weight_decay=config.weight_decay)


def _adamw(parameters: Iterable[Any], config: TrainConfig, lr: float) -> Optimizer:
    return AdamW(parameters, lr=lr, weight_decay=config.weight_decay)


def _rmsprop(parameters: Iterable[Any], config: TrainConfig, lr: float) -> Optimizer:
    return RMSprop(parameters, lr=lr, momentum=config.momentum, weight_decay=config.weight_decay)


#: What ``--model`` knows.
MODELS = {"lenet5": ModelRecipe("LeNet-5", _lenet5)}

#: What ``--optimizer`` knows.
OPTIMIZERS = {
    "adam": OptimizerRecipe(_adam, 0.003),
    "adamw": OptimizerRecipe(_adamw, 0.003),
    "rmsprop": OptimizerRecipe(_rmsprop, 0.0003),
    "sgd": OptimizerRecipe(_sgd, 0.03),
}


def _cosine(optimizer: Optimizer, config: TrainConfig, steps: int) -> LRScheduler:
    return CosineAnnealingLR(optimizer, steps * (config.epochs - config.warmup))


def _step(optimizer: Optimizer, config: TrainConfig, steps: int) -> LRScheduler:
    return StepLR(optimizer, steps * ceil((config.epochs - config.warmup) / 3), gamma=0.1)


def _one_cycle(optimizer: Optimizer, config: TrainConfig, steps: int) -> LRScheduler:
    rates = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, rates, total_steps=steps * config.epochs)


def _plateau(optimizer: Optimizer, config: TrainConfig, steps: int) -> ReduceLROnPlateau:
    return ReduceLROnPlateau(optimizer, factor=0.3, patience=2)


def _constant(optimizer: Optimizer, config: TrainConfig, steps: int) -> None:
    return None


#: Those that can go on from a warm-up; the others rise by themselves, or have no plan.
_AFTER_WARMUP: dict[str, Callable[[Optimizer, TrainConfig, int], LRScheduler | None]] = {
    "cosine": _cosine,
    "constant": _constant,
    "step": _step,
}

#: What ``--schedule`` knows: how to build each for a configuration and a number of steps per epoch.
SCHEDULES: dict[str, Callable[[Optimizer, TrainConfig, int], LRScheduler | ReduceLROnPlateau | None]] = {
    **_AFTER_WARMUP,
    "one-cycle": _one_cycle,
    "plateau": _plateau,
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


def build_schedule(config: TrainConfig, optimizer: Optimizer, steps: int) -> LRScheduler | ReduceLROnPlateau | None:
    """Return the schedule that the configuration names, for so many steps per epoch; None keeps the learning rate.

    Raises
    ------
    ValueError
        If there is no such schedule, or it cannot follow a warm-up.
    """
    _check_name("schedule", config.schedule, SCHEDULES)
    if not config.warmup:
        return SCHEDULES[config.schedule](optimizer, config, steps)
    if config.schedule not in _AFTER_WARMUP:
        raise ValueError(
            f"A warm-up can come before the schedules {', '.join(_AFTER_WARMUP)}, but got {config.schedule!r}; "
            f"leave warmup at 0."
        )
    rising = config.warmup * steps
    main = _AFTER_WARMUP[config.schedule](optimizer, config, steps)
    warmup = LinearLR(optimizer, start_factor=1 / (rising + 1), total_iters=rising)
    return warmup if main is None else SequentialLR(optimizer, [warmup, main], milestones=[rising])


def _check_name(kind: str, name: str, table: Mapping[str, object]) -> None:
    if name not in table:
        raise ValueError(f"{kind} must be one of {', '.join(table)}, but got {name!r}.")
