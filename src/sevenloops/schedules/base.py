"""What all schedules share: the rates they start from, their steps, and their state."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sevenloops.geometry.arguments import integer, is_sequence
from sevenloops.optim import Optimizer
from sevenloops.optim.options import finite, not_negative, real

__all__ = ["Check", "LRScheduler", "Schedule", "positive"]

Check = Callable[[str, Any], Any]


def positive(name: str, value: Any) -> int:
    """Return an integer of at least 1."""
    return integer(name, value, 1)


def _per_group(name: str, value: Any, groups: int, check: Check) -> list[Any]:
    """Return one checked value per group of parameters, from one for all or from a sequence."""
    if not is_sequence(value):
        return [check(name, value)] * groups
    if len(value) != groups:
        raise ValueError(f"{name} must have one entry per group of parameters ({groups}), but got {len(value)}.")
    return [check(f"{name}[{i}]", entry) for i, entry in enumerate(value)]


def _number_of_steps(name: str, value: Any) -> float:
    number = not_negative(name, value)
    return int(number) if number.is_integer() else number


class Schedule:
    """Base of everything that changes the learning rates of an optimizer: its options, its place and its state.

    Parameters
    ----------
    optimizer : Optimizer
    **options
        The values of all `options` and `group_options`.

    Attributes
    ----------
    optimizer : Optimizer
    last_epoch : int
        The number of steps taken; whether a step is an epoch or a batch is up to the caller.
    """

    #: Per option a function (name, value) that returns the checked value; each is an attribute and part of the state.
    options: ClassVar[Mapping[str, Check]] = {}
    #: Those that may be one value for all groups of parameters or one per group, and become a list.
    group_options: ClassVar[Mapping[str, Check]] = {}
    #: What else is part of the state: where a run stands, as a whole and in each group.
    _place: ClassVar[Mapping[str, Check]] = {"last_epoch": _number_of_steps}
    _group_place: ClassVar[Mapping[str, Check]] = {"_last_lr": finite}

    def __init__(self, optimizer: Optimizer, **options: Any) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"A schedule needs an Optimizer, but got a {type(optimizer).__name__}.")
        self._last_lr = _rates(optimizer)
        self.optimizer = optimizer
        self.last_epoch: float = 0
        self._take({name: check(name, options[name]) for name, check in self.options.items()})
        groups = len(optimizer.param_groups)
        self._take(
            {name: _per_group(name, options[name], groups, check) for name, check in self.group_options.items()}
        )

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group of parameters as the last step has left it."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return options and place as plain values: numbers, text, None, lists, dicts, which JSON keeps exactly."""
        self._notice()
        return self._described()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state, all or nothing, and set the optimizer's learning rates to what they were.

        Parameters
        ----------
        state_dict : mapping
            As `state_dict` returns it, options included. It may be loaded before or after the optimizer's own.

        Raises
        ------
        TypeError, ValueError
            If it is not the state of such a schedule for so many groups of parameters.
        """
        self._take(self._checked(state_dict))
        self._restore()

    def _notice(self) -> None:
        """Take over what others have made of the rates since this schedule has set them."""
        now = _rates(self.optimizer)
        if len(now) != len(self._last_lr):
            raise ValueError(
                f"A schedule is for the groups of parameters that it was built for ({len(self._last_lr)}), "
                f"but now there are {len(now)}; build it after the last add_param_group."
            )
        self._last_lr = now

    def _restore(self) -> None:
        """Set the optimizer's groups to what a state says."""
        for group, rate in zip(self.optimizer.param_groups, self._last_lr):
            group["lr"] = rate

    def _described(self) -> dict[str, Any]:
        names = (*self.options, *self.group_options, *self._place, *self._group_place)
        return {name: _plain(getattr(self, name)) for name in names}

    def _checked(self, state: Any) -> dict[str, Any]:
        """Return the attributes that a state stands for, each checked."""
        kind = type(self).__name__
        if not isinstance(state, Mapping):
            raise TypeError(f"A state of {kind} must be a dict, but got {state!r:.100}.")
        single = {**self.options, **self._place}
        grouped = {**self.group_options, **self._group_place}
        lacking = sorted({*single, *grouped} - state.keys())
        unknown = sorted(str(name) for name in state.keys() - {*single, *grouped})
        if lacking or unknown:
            raise ValueError(
                f"A state of {kind} must have exactly its entries, but it lacks {', '.join(lacking) or 'none'} and "
                f"has also {', '.join(unknown) or 'none'}."
            )
        checked = {name: check(name, state[name]) for name, check in single.items()}
        groups = len(self.optimizer.param_groups)
        return checked | {name: _per_group(name, state[name], groups, check) for name, check in grouped.items()}

    def _take(self, checked: Mapping[str, Any]) -> None:
        for name, value in checked.items():
            setattr(self, name, value)


class LRScheduler(Schedule, ABC):
    """Base of the schedules that know the learning rate of every step: a subclass says it by its `rate`.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups get the entry "initial_lr", the learning rate that all schedules start from; one that is there
        already stays.
    last_epoch : int
        -1 starts anew. Otherwise the step after this one is set: the groups need their "initial_lr" then, and the
        learning rate that they have does not count.

    Attributes
    ----------
    base_lrs : list of float
        The "initial_lr" of each group.

    Raises
    ------
    TypeError
        If this is no Optimizer.
    ValueError
        If "initial_lr" is missing.

    Notes
    -----
    Every rate is computed from the number of the step alone, where PyTorch multiplies the rate of the step before and
    rounds again each time. Who changes ``group["lr"]`` between two steps (by hand, or by another schedule of the same
    optimizer) changes the rate that a schedule starts from in the same proportion, as in PyTorch where it multiplies.
    From a rate of 0 there is no proportion, and such a change lasts until the next step.

    There is no warning if a schedule takes its first step before the optimizer.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> class Halving(LRScheduler):
    ...     def rate(self, base_lr, epoch, group):
    ...         return base_lr / 2**epoch
    >>> schedule = Halving(optim.SGD([nn.Parameter(np.zeros(3))], lr=0.4))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.2]
    """

    _group_place: ClassVar[Mapping[str, Check]] = {**Schedule._group_place, "base_lrs": finite, "_scales": finite}

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1, **options: Any) -> None:
        super().__init__(optimizer, **options)
        self._start(last_epoch)

    def _start(self, last_epoch: int) -> None:
        """Read the rates to start from, and set those of the first step."""
        groups = self.optimizer.param_groups
        if integer("last_epoch", last_epoch, -1) == -1:
            for group in groups:
                group.setdefault("initial_lr", group["lr"])
        elif any("initial_lr" not in group for group in groups):
            raise ValueError(
                f'To go on after epoch {last_epoch}, every group of parameters must have its "initial_lr", but one '
                f"has none; load the optimizer's state first, or leave last_epoch at -1."
            )
        self.base_lrs: list[float] = [finite("initial_lr", group["initial_lr"]) for group in groups]
        self._scales = [1.0] * len(groups)  # what others have made of the base rates
        self._last_lr = list(self.base_lrs)
        if last_epoch == -1:
            self._notice()
        self._go(last_epoch + 1)

    @abstractmethod
    def rate(self, base_lr: float, epoch: float, group: int) -> float:
        """Return the learning rate at a step, of which nothing else is known: the formula of the schedule.

        Parameters
        ----------
        base_lr : float
            The learning rate to start from.
        epoch : float
            The number of steps taken.
        group : int
            The number of the group of parameters.
        """

    def others(self, epoch: float, group: int) -> dict[str, Any]:
        """Return what else changes in a group of parameters, by name; the base changes nothing else."""
        return {}

    def step(self, epoch: float | None = None) -> None:
        """Set the next learning rate of each group of parameters; to be called after the optimizer's step.

        Parameters
        ----------
        epoch : float, optional
            Go there instead; fractions are between two steps.

        Raises
        ------
        TypeError, ValueError
            If the optimizer has been given further groups, or `epoch` is no number of at least 0.
        """
        self._notice()
        self._go(self.last_epoch + 1 if epoch is None else _number_of_steps("epoch", epoch))

    def _notice(self) -> None:
        """Scale the rates to start from by what others have made of the rates since this schedule has set them."""
        before = self._last_lr
        super()._notice()
        for index, (last, now) in enumerate(zip(before, self._last_lr)):
            if now != last and last:
                self._scales[index] *= now / last

    def _restore(self) -> None:
        super()._restore()
        for index, group in enumerate(self.optimizer.param_groups):
            group.update(self.others(self.last_epoch, index))

    def _go(self, epoch: float) -> None:
        """Set what belongs to a step."""
        rates = [self.rate(b * s, epoch, i) for i, (b, s) in enumerate(zip(self.base_lrs, self._scales))]
        others = [self.others(epoch, index) for index in range(len(rates))]
        for group, rate, values in zip(self.optimizer.param_groups, rates, others):
            group["lr"] = rate
            group.update(values)
        self.last_epoch, self._last_lr = epoch, rates


def _rates(optimizer: Optimizer) -> list[float]:
    return [real("lr", group["lr"]) for group in optimizer.param_groups]


def _plain(value: Any) -> Any:
    """Return a copy in which tuples are lists, as JSON makes them."""
    return [_plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value
