"""Schedules: how the learning rate changes while training."""

import math

from sevenloops.geometry.arguments import integer
from sevenloops.optim import Optimizer

__all__ = ["CosineAnnealingLR"]


class CosineAnnealingLR:
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

    Attributes
    ----------
    last_epoch : int
        t, how often `step` has been called; what is called once an epoch or once a batch is up to the caller.

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

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        if not 0 <= eta_min < math.inf:
            raise ValueError(f"eta_min must be at least 0 and finite, but got {eta_min}.")
        self.optimizer = optimizer
        self.T_max = integer("T_max", T_max, 1)
        self.eta_min = float(eta_min)
        self.base_lrs: list[float] = [group["lr"] for group in optimizer.param_groups]
        self.last_epoch = 0

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group of parameters as the last step has set it."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> None:
        """Set the next learning rate of each group of parameters."""
        self.last_epoch += 1
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = self.eta_min + (base - self.eta_min) * share
