"""Schedules that multiply the learning rate by a factor: steps, slopes, powers, and any function."""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from sevenloops.geometry.arguments import integer
from sevenloops.optim import Optimizer
from sevenloops.optim.options import not_negative, proportion, real
from sevenloops.schedules.base import Check, LRScheduler, positive

__all__ = ["ConstantLR", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR", "PolynomialLR", "StepLR"]


class _Factor(LRScheduler):
    """η = η₀ · f(t): a subclass says f."""

    def rate(self, base_lr: float, epoch: float, group: int) -> float:
        """Return the learning rate at a step; see `LRScheduler.rate`."""
        return base_lr * self._factor(epoch)

    @abstractmethod
    def _factor(self, epoch: float) -> float:
        """Return f(t)."""


class StepLR(_Factor):
    """Multiply the learning rate by `gamma` after each `step_size` steps.

    With the learning rate η₀ at the start, after t calls of `step`:

        η = η₀ · γ^⌊t / step_size⌋

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
        At least 1.
    gamma : float
        At least 0.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import StepLR
    >>> schedule = StepLR(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8), 2, gamma=0.5)
    >>> [schedule.rate(0.8, epoch, 0) for epoch in range(6)]
    [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]
    """

    options: ClassVar[Mapping[str, Check]] = {"step_size": positive, "gamma": not_negative}
    step_size: int
    gamma: float

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, step_size=step_size, gamma=gamma)

    def _factor(self, epoch: float) -> float:
        return float(self.gamma ** (epoch // self.step_size))


def _milestones(name: str, value: Any) -> list[int]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be integers, but got {value!r}.")
    return sorted(integer(f"{name}[{i}]", entry, 0) for i, entry in enumerate(value))


class MultiStepLR(_Factor):
    """Multiply the learning rate by `gamma` at each milestone.

    With the learning rate η₀ at the start, after t calls of `step`:

        η = η₀ · γ^(the number of milestones up to t)

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Numbers of steps, at least 0; one that is there twice counts twice.
    gamma : float
        At least 0.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import MultiStepLR
    >>> schedule = MultiStepLR(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8), [2, 3], gamma=0.5)
    >>> [schedule.rate(0.8, epoch, 0) for epoch in range(5)]
    [0.8, 0.8, 0.4, 0.2, 0.2]
    """

    options: ClassVar[Mapping[str, Check]] = {"milestones": _milestones, "gamma": not_negative}
    milestones: list[int]
    gamma: float

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, milestones=milestones, gamma=gamma)

    def _factor(self, epoch: float) -> float:
        return self.gamma ** bisect_right(self.milestones, epoch)


class ExponentialLR(_Factor):
    """Multiply the learning rate by `gamma` at each step: η = η₀ · γᵗ.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
        At least 0.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import ExponentialLR
    >>> schedule = ExponentialLR(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8), 0.5)
    >>> [schedule.rate(0.8, epoch, 0) for epoch in range(4)]
    [0.8, 0.4, 0.2, 0.1]
    """

    options: ClassVar[Mapping[str, Check]] = {"gamma": not_negative}
    gamma: float

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, gamma=gamma)

    def _factor(self, epoch: float) -> float:
        return float(self.gamma**epoch)


class PolynomialLR(_Factor):
    """Let the learning rate fall to 0 within `total_iters` steps, as a power of the steps that are left.

    With the learning rate η₀ at the start, after t calls of `step`:

        η = η₀ · (1 - min(t, total_iters) / total_iters)^power

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
        At least 1.
    power : float
        At least 0; 1 falls evenly.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import PolynomialLR
    >>> schedule = PolynomialLR(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8), 4, power=2)
    >>> [round(schedule.rate(0.8, epoch, 0), 4) for epoch in range(6)]
    [0.8, 0.45, 0.2, 0.05, 0.0, 0.0]
    """

    options: ClassVar[Mapping[str, Check]] = {"total_iters": positive, "power": not_negative}
    total_iters: int
    power: float

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, total_iters=total_iters, power=power)

    def _factor(self, epoch: float) -> float:
        return float((1 - min(epoch, self.total_iters) / self.total_iters) ** self.power)


class ConstantLR(_Factor):
    """Multiply the learning rate by `factor` for the first `total_iters` steps, and then no more.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        From 0 to 1.
    total_iters : int
        At least 1.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import ConstantLR
    >>> schedule = ConstantLR(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8), 0.25, total_iters=2)
    >>> [schedule.rate(0.8, epoch, 0) for epoch in range(4)]
    [0.2, 0.2, 0.8, 0.8]
    """

    options: ClassVar[Mapping[str, Check]] = {"factor": proportion, "total_iters": positive}
    factor: float
    total_iters: int

    def __init__(
        self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, factor=factor, total_iters=total_iters)

    def _factor(self, epoch: float) -> float:
        return self.factor if epoch < self.total_iters else 1.0


def _start_factor(name: str, value: Any) -> float:
    if not proportion(name, value):
        raise ValueError(f"{name} must be more than 0 and at most 1, but got {value}.")
    return float(value)


class LinearLR(_Factor):
    """Multiply the learning rate by a factor that changes evenly within `total_iters` steps: a warm-up, usually.

    With the learning rate η₀ that the optimizer has been given, after t calls of `step`:

        η = η₀ · (start + (end - start) · min(t, total_iters) / total_iters)

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float
        More than 0, at most 1.
    end_factor : float
        From 0 to 1.
    total_iters : int
        At least 1.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind.

    References
    ----------
    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", arXiv 1706.02677.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import LinearLR
    >>> schedule = LinearLR(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8), start_factor=0.25, total_iters=3)
    >>> [round(schedule.rate(0.8, epoch, 0), 4) for epoch in range(5)]
    [0.2, 0.4, 0.6, 0.8, 0.8]
    """

    options: ClassVar[Mapping[str, Check]] = {
        "start_factor": _start_factor,
        "end_factor": proportion,
        "total_iters": positive,
    }
    start_factor: float
    end_factor: float
    total_iters: int

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(
            optimizer, last_epoch, start_factor=start_factor, end_factor=end_factor, total_iters=total_iters
        )

    def _factor(self, epoch: float) -> float:
        if epoch >= self.total_iters:
            return self.end_factor
        return self.start_factor + (self.end_factor - self.start_factor) * epoch / self.total_iters


def _function(name: str, value: Any) -> Any:
    if not callable(value):
        raise TypeError(f"{name} must be a function of the number of steps, but got {value!r:.100}.")
    return value


class LambdaLR(LRScheduler):
    """Multiply the learning rate by any function of the number of steps: η = η₀ · f(t).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of them
        ``f(epoch)``, for all groups of parameters or one per group. Functions are no part of the state.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError
        If something cannot be called.
    ValueError
        If there is not one function per group.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import LambdaLR
    >>> schedule = LambdaLR(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8), lambda epoch: 1 / (1 + epoch))
    >>> [schedule.rate(0.8, epoch, 0) for epoch in (0, 1, 3)]
    [0.8, 0.4, 0.2]
    """

    group_options: ClassVar[Mapping[str, Check]] = {"lr_lambda": _function}
    lr_lambda: list[Callable[[float], float]]

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[float], float] | list[Callable[[float], float]],
        last_epoch: int = -1,
    ) -> None:
        super().__init__(optimizer, last_epoch, lr_lambda=lr_lambda)

    def rate(self, base_lr: float, epoch: float, group: int) -> float:
        """Return the learning rate at a step; see `LRScheduler.rate`."""
        return base_lr * real("lr_lambda", self.lr_lambda[group](epoch))

    def _described(self) -> dict[str, Any]:
        return {name: value for name, value in super()._described().items() if name != "lr_lambda"}

    def _checked(self, state: Any) -> dict[str, Any]:
        return super()._checked({**state, "lr_lambda": self.lr_lambda} if isinstance(state, Mapping) else state)
