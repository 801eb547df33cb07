"""Optimizers: how parameters follow their gradients. Each is one record of its update and one file."""

from sevenloops.optim.adam import Adam
from sevenloops.optim.optimizer import Optimizer
from sevenloops.optim.sgd import SGD
from sevenloops.optim.update import Update

__all__ = ["SGD", "Adam", "Optimizer", "Update"]
