"""Schedules: how the learning rate changes while training."""

from sevenloops.schedules.base import LRScheduler
from sevenloops.schedules.composed import ChainedScheduler, SequentialLR
from sevenloops.schedules.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from sevenloops.schedules.factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from sevenloops.schedules.one_cycle import OneCycleLR
from sevenloops.schedules.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
