"""Schedules made of schedules: one after the other, or all at once."""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sevenloops.geometry.arguments import integer, is_sequence
from sevenloops.optim import Optimizer
from sevenloops.schedules.base import Check, LRScheduler

__all__ = ["ChainedScheduler", "SequentialLR"]


def _members(kind: str, schedulers: Any) -> list[LRScheduler]:
    """Return the schedules, checked: at least one, each one that knows its rates, and all of one optimizer."""
    if not is_sequence(schedulers):
        raise TypeError(f"{kind} needs a list of schedules, but got {schedulers!r:.100}.")
    if not len(schedulers):
        raise ValueError(f"{kind} needs at least one schedule, but the list is empty.")
    for index, member in enumerate(schedulers):
        if not isinstance(member, LRScheduler):
            raise TypeError(
                f"{kind} is made of schedules that know the rate of every step, but schedulers[{index}] is a "
                f"{type(member).__name__}; step that one by itself."
            )
        _check_optimizer(kind, index, member, schedulers[0].optimizer)
    return list(schedulers)


def _check_optimizer(kind: str, index: int, member: LRScheduler, optimizer: Optimizer) -> None:
    if member.optimizer is not optimizer:
        raise ValueError(f"{kind} must be of one optimizer, but schedulers[{index}] is of another one.")


class _Composed(LRScheduler):
    """A schedule that asks others, its members, for their rates, and never steps them."""

    _schedulers: list[LRScheduler]

    @abstractmethod
    def _active(self, epoch: float) -> list[tuple[LRScheduler, float]]:
        """Return the members that count at a step, and which step it is for each."""

    def rate(self, base_lr: float, epoch: float, group: int) -> float:
        """Return the learning rate at a step; see `LRScheduler.rate`."""
        for member, own_epoch in self._active(epoch):
            base_lr = member.rate(base_lr, own_epoch, group)
        return base_lr

    def others(self, epoch: float, group: int) -> dict[str, Any]:
        """Return what else changes in a group of parameters; see `LRScheduler.others`."""
        values: dict[str, Any] = {}
        for member, own_epoch in self._active(epoch):
            values |= member.others(own_epoch, group)
        return values

    def _described(self) -> dict[str, Any]:
        return {**super()._described(), "_schedulers": [member._described() for member in self._schedulers]}

    def _checked(self, state: Any) -> dict[str, Any]:
        if not isinstance(state, Mapping) or not isinstance(state.get("_schedulers"), (list, tuple)):
            raise TypeError(
                f'A state of {type(self).__name__} must be a dict with "_schedulers", but got {state!r:.100}.'
            )
        states = state["_schedulers"]
        if len(states) != len(self._schedulers):
            raise ValueError(
                f"A state of {type(self).__name__} must be of {len(self._schedulers)} schedules, "
                f"but it is of {len(states)}."
            )
        own = super()._checked({name: value for name, value in state.items() if name != "_schedulers"})
        return {**own, "_schedulers": [member._checked(part) for member, part in zip(self._schedulers, states)]}

    def _take(self, checked: Mapping[str, Any]) -> None:
        for name, value in checked.items():
            if name == "_schedulers":
                for member, part in zip(self._schedulers, value):
                    member._take(part)
            else:
                setattr(self, name, value)


def _milestones(name: str, value: Any) -> list[int]:
    if not is_sequence(value):
        raise TypeError(f"{name} must be a list of integers, but got {value!r}.")
    numbers = [integer(f"{name}[{i}]", entry, 0) for i, entry in enumerate(value)]
    if numbers != sorted(numbers):
        raise ValueError(f"{name} must rise, but got {numbers}.")
    return numbers


class SequentialLR(_Composed):
    """One schedule after the other: each starts anew, from the rate that the optimizer was given, at its milestone.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
        Built for this optimizer. They are asked for their rates; do not step them.
    milestones : list of int
        At which step each but the first begins, rising.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind, or there is not one milestone less than there are schedules.

    Examples
    --------
    A warm-up over 2 steps, and then half a cosine:

    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import CosineAnnealingLR, LinearLR, SequentialLR
    >>> optimizer = optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8)
    >>> parts = [LinearLR(optimizer, 0.25, total_iters=2), CosineAnnealingLR(optimizer, 2)]
    >>> schedule = SequentialLR(optimizer, parts, [2])
    >>> [round(schedule.rate(0.8, epoch, 0), 3) for epoch in range(5)]
    [0.2, 0.5, 0.8, 0.4, 0.0]
    """

    options: ClassVar[Mapping[str, Check]] = {"milestones": _milestones}
    milestones: list[int]

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._schedulers = _members("SequentialLR", schedulers)
        _check_optimizer("SequentialLR", 0, self._schedulers[0], optimizer)
        super().__init__(optimizer, last_epoch, milestones=milestones)

    def _start(self, last_epoch: int) -> None:
        self._check_number(self.milestones)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        super()._start(last_epoch)

    def _checked(self, state: Any) -> dict[str, Any]:
        checked = super()._checked(state)
        self._check_number(checked["milestones"])
        return checked

    def _check_number(self, milestones: list[int]) -> None:
        if len(milestones) != len(self._schedulers) - 1:
            raise ValueError(
                f"milestones must be one less than the schedules, {len(self._schedulers) - 1}, "
                f"but got {len(milestones)}."
            )

    def _active(self, epoch: float) -> list[tuple[LRScheduler, float]]:
        index = bisect_right(self.milestones, epoch)
        return [(self._schedulers[index], epoch - (self.milestones[index - 1] if index else 0))]


class ChainedScheduler(_Composed):
    """All schedules at once: the rate of each is what the next one starts from.

    Parameters
    ----------
    schedulers : list of LRScheduler
        At the same step. They are asked for their rates; do not step them.
    optimizer : Optimizer, optional
        Theirs.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind, or the schedules are of several optimizers or at several steps.

    Notes
    -----
    Where all schedules multiply, this is PyTorch's. Others (cosine annealing with restarts or an `eta_min` above 0,
    LambdaLR) start here from what comes before them, while PyTorch's forget it.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import ChainedScheduler, ExponentialLR, LinearLR
    >>> optimizer = optim.SGD([nn.Parameter(np.zeros(3))], lr=0.8)
    >>> schedule = ChainedScheduler([LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)])
    >>> [round(schedule.rate(0.8, epoch, 0), 3) for epoch in range(4)]
    [0.4, 0.3, 0.2, 0.1]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._schedulers = _members("ChainedScheduler", schedulers)
        first = self._schedulers[0]
        if optimizer is not None:
            _check_optimizer("ChainedScheduler", 0, first, optimizer)
        for index, member in enumerate(self._schedulers):
            if member.last_epoch != first.last_epoch:
                raise ValueError(
                    f"ChainedScheduler must be of schedules at one step, but schedulers[0] is at {first.last_epoch} "
                    f"and schedulers[{index}] at {member.last_epoch}."
                )
        for group, scale in zip(first.optimizer.param_groups, first._scales):
            group["lr"] = group["initial_lr"] * scale
        super().__init__(first.optimizer, int(first.last_epoch) - 1)

    def _active(self, epoch: float) -> list[tuple[LRScheduler, float]]:
        return [(member, epoch) for member in self._schedulers]
