"""A schedule that follows how training goes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, SupportsFloat

from sevenloops.geometry.arguments import integer
from sevenloops.optim import Optimizer
from sevenloops.optim.options import finite, not_negative, one_of, real
from sevenloops.schedules.base import Check, Schedule

__all__ = ["ReduceLROnPlateau"]


def _mode(name: str, value: Any) -> str:
    return one_of(name, value, ("min", "max"))


def _threshold_mode(name: str, value: Any) -> str:
    return one_of(name, value, ("rel", "abs"))


def _factor(name: str, value: Any) -> float:
    if not not_negative(name, value) < 1:
        raise ValueError(f"{name} must be less than 1, but got {value}.")
    return float(value)


def _count(name: str, value: Any) -> int:
    return integer(name, value, 0)


def _best(name: str, value: Any) -> float | None:
    return None if value is None else finite(name, value)


class ReduceLROnPlateau(Schedule):
    """Multiply the learning rate by `factor` when a metric has not got better for more than `patience` steps.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether small metrics are good (a loss) or large ones (an accuracy).
    factor : float
        At least 0 and less than 1.
    patience : int
        How many steps without a better metric are fine.
    threshold : float
        A metric is better if it beats the best one by more than this, at least 0.
    threshold_mode : {"rel", "abs"}
        Whether the threshold is a share of the best metric.
    cooldown : int
        How many steps after a reduction do not count.
    min_lr : float, or list of float
        Below this no rate is reduced; for all groups of parameters or of each.
    eps : float
        A reduction by no more than this is left out.

    Attributes
    ----------
    best : float or None
        The best metric so far.
    num_bad_epochs : int
        Steps without a better one.
    cooldown_counter : int
        Steps that still do not count.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind.

    Notes
    -----
    A metric that is NaN or infinite is never better. PyTorch would take an infinite one in the good direction.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import ReduceLROnPlateau
    >>> schedule = ReduceLROnPlateau(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8), factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.4]
    """

    options: ClassVar[Mapping[str, Check]] = {
        "mode": _mode,
        "factor": _factor,
        "patience": _count,
        "threshold": not_negative,
        "threshold_mode": _threshold_mode,
        "cooldown": _count,
        "eps": not_negative,
    }
    group_options: ClassVar[Mapping[str, Check]] = {"min_lr": not_negative}
    _place: ClassVar[Mapping[str, Check]] = {
        **Schedule._place,
        "best": _best,
        "num_bad_epochs": _count,
        "cooldown_counter": _count,
    }
    mode: str
    factor: float
    patience: int
    threshold: float
    threshold_mode: str
    cooldown: int
    eps: float
    min_lr: list[float]

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(
            optimizer,
            mode=mode,
            factor=factor,
            patience=patience,
            threshold=threshold,
            threshold_mode=threshold_mode,
            cooldown=cooldown,
            min_lr=min_lr,
            eps=eps,
        )
        self.best: float | None = None
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def step(self, metrics: SupportsFloat) -> None:
        """Look at a metric, and reduce the learning rates if it is time.

        Parameters
        ----------
        metrics : float
            A number, or an array or Tensor of one element.

        Raises
        ------
        TypeError
            If it is none.
        ValueError
            If the optimizer has been given further groups.
        """
        metric = real("metrics", metrics)
        self._notice()
        self.last_epoch += 1
        if self._is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _is_better(self, metric: float) -> bool:
        if not math.isfinite(metric) or self.best is None:
            return math.isfinite(metric)
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * metric > sign * self.best * (1 + sign * self.threshold)
        return sign * metric > sign * self.best + self.threshold

    def _reduce(self) -> None:
        for index, (group, low) in enumerate(zip(self.optimizer.param_groups, self.min_lr)):
            old = self._last_lr[index]
            new = max(old * self.factor, low)
            if old - new > self.eps:
                group["lr"] = self._last_lr[index] = new
