"""Cosine annealing, once or again and again."""

import math
from collections.abc import Mapping
from typing import ClassVar

from sevenloops.optim import Optimizer
from sevenloops.optim.options import not_negative
from sevenloops.schedules.base import Check, LRScheduler, positive

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """Let the learning rate fall from where it is to `eta_min` along half a cosine.

    With the learning rate η₀ that a group of parameters has at the start, after t calls of `step`:

        η = η_min + (η₀ - η_min) · (1 + cos(π · t / T)) / 2

    It starts and ends slowly, and after T calls rises again the way it came.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        T, the number of calls of `step` until `eta_min` is reached; at least 1.
    eta_min : float
        At least 0.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError
        If `T_max` is not an integer.
    ValueError
        If `T_max` is less than 1, or `eta_min` negative or not finite.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", arXiv 1608.03983.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import CosineAnnealingLR
    >>> optimizer = optim.SGD([nn.Parameter(np.zeros(3))], lr=0.1)
    >>> schedule = CosineAnnealingLR(optimizer, 2)
    >>> for _ in range(2):
    ...     optimizer.step()
    ...     schedule.step()
    ...     print(round(optimizer.param_groups[0]["lr"], 6))
    0.05
    0.0
    """

    options: ClassVar[Mapping[str, Check]] = {"T_max": positive, "eta_min": not_negative}
    T_max: int
    eta_min: float

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, T_max=T_max, eta_min=eta_min)

    def rate(self, base_lr: float, epoch: float, group: int) -> float:
        """Return the learning rate at a step; see `LRScheduler.rate`."""
        share = (1 + math.cos(math.pi * epoch / self.T_max)) / 2
        return self.eta_min + (base_lr - self.eta_min) * share


class CosineAnnealingWarmRestarts(LRScheduler):
    """Let the learning rate fall along half a cosine, again and again from where it started.

    Within a period of T steps, t after its start:

        η = η_min + (η₀ - η_min) · (1 + cos(π · t / T)) / 2

    The first period is of `T_0` steps, each further one `T_mult` times as long as the one before. Where steps are
    epochs, ``step(epoch + batch / batches)`` lets the rate fall within them.

    Parameters
    ----------
    optimizer : Optimizer
    T_0, T_mult : int
        At least 1.
    eta_min : float
        At least 0.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", arXiv 1608.03983.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import CosineAnnealingWarmRestarts
    >>> schedule = CosineAnnealingWarmRestarts(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.1), 1, T_mult=2)
    >>> [round(schedule.rate(0.1, epoch, 0), 3) for epoch in range(8)]
    [0.1, 0.1, 0.05, 0.1, 0.085, 0.05, 0.015, 0.1]
    """

    options: ClassVar[Mapping[str, Check]] = {"T_0": positive, "T_mult": positive, "eta_min": not_negative}
    T_0: int
    T_mult: int
    eta_min: float

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, T_0=T_0, T_mult=T_mult, eta_min=eta_min)

    def rate(self, base_lr: float, epoch: float, group: int) -> float:
        """Return the learning rate at a step; see `LRScheduler.rate`."""
        period = self.T_0
        if self.T_mult == 1:
            epoch %= period
        else:
            while epoch >= period:
                epoch -= period
                period *= self.T_mult
        share = (1 + math.cos(math.pi * epoch / period)) / 2
        return self.eta_min + (base_lr - self.eta_min) * share
