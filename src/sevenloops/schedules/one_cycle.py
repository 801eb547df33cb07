"""One rise and one fall of the learning rate, and the opposite of the momentum."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sevenloops.geometry.arguments import flag
from sevenloops.optim import Optimizer
from sevenloops.optim.options import not_negative, one_of, proportion
from sevenloops.schedules.base import Check, LRScheduler, positive

__all__ = ["OneCycleLR"]


def _divisor(name: str, value: Any) -> float:
    if not not_negative(name, value):
        raise ValueError(f"{name} must be more than 0, but got {value}.")
    return float(value)


def _strategy(name: str, value: Any) -> str:
    return one_of(name, value, ("cos", "linear"))


def _momentum(name: str, value: Any) -> float:
    if not 0 <= not_negative(name, value) < 1:
        raise ValueError(f"{name} must be at least 0 and less than 1, but got {value}.")
    return float(value)


class OneCycleLR(LRScheduler):
    """Let the learning rate rise to `max_lr` and fall to almost nothing, once; meant to be stepped after each batch.

    With n steps in all, of which the share p = `pct_start` rises, the rate goes

        from max_lr / div_factor, to max_lr at step p·n - 1, to max_lr / div_factor / final_div_factor at step n - 1,

    in three phases from `max_lr` first back to where it started, at step 2·p·n - 2. Between two such points it
    follows half a cosine or a line. The momentum (the first of the betas where an optimizer has these) goes from
    `max_momentum` to `base_momentum` where the rate rises, and back where it falls from its peak.

    Parameters
    ----------
    optimizer : Optimizer
        What its groups have as learning rate and momentum is overwritten.
    max_lr : float, or list of float
        The peak, for all groups of parameters or of each.
    total_steps : int, optional
        n, at least 1; or give both of the next two.
    epochs, steps_per_epoch : int, optional
        n is their product.
    pct_start : float
        From 0 to 1.
    anneal_strategy : {"cos", "linear"}
    cycle_momentum : bool
        Without it, the momentum is left alone.
    base_momentum, max_momentum : float, or list of float
        At least 0 and less than 1.
    div_factor, final_div_factor : float
        More than 0.
    three_phase : bool
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of that kind, n is not given, or the momentum is to be cycled of an optimizer without;
        in `step`, if there are more than n steps.

    Notes
    -----
    The rate of step n, which is set after the last of n batches and used by none, is that of step n - 1; PyTorch lets
    the curve go on behind its end, where a line is below 0. A rate that is changed by hand is forgotten in the next
    step, as in PyTorch.

    References
    ----------
    L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    arXiv 1708.07120.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.schedules import OneCycleLR
    >>> optimizer = optim.SGD([nn.Parameter(np.zeros(3))], lr=0.1, momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, 0.5, total_steps=10, pct_start=0.3, anneal_strategy="linear")
    >>> [round(schedule.rate(0.02, epoch, 0), 3) for epoch in range(10)]
    [0.02, 0.26, 0.5, 0.429, 0.357, 0.286, 0.214, 0.143, 0.071, 0.0]
    >>> optimizer.param_groups[0]["momentum"]
    0.95
    """

    options: ClassVar[Mapping[str, Check]] = {
        "total_steps": positive,
        "pct_start": proportion,
        "anneal_strategy": _strategy,
        "cycle_momentum": flag,
        "div_factor": _divisor,
        "final_div_factor": _divisor,
        "three_phase": flag,
    }
    group_options: ClassVar[Mapping[str, Check]] = {
        "max_lr": not_negative,
        "base_momentum": _momentum,
        "max_momentum": _momentum,
    }
    total_steps: int
    pct_start: float
    anneal_strategy: str
    cycle_momentum: bool
    div_factor: float
    final_div_factor: float
    three_phase: bool
    max_lr: list[float]
    base_momentum: list[float]
    max_momentum: list[float]

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    f"OneCycleLR needs total_steps, or both epochs and steps_per_epoch, but got epochs={epochs} and "
                    f"steps_per_epoch={steps_per_epoch}."
                )
            total_steps = positive("epochs", epochs) * positive("steps_per_epoch", steps_per_epoch)
        super().__init__(
            optimizer,
            last_epoch,
            max_lr=max_lr,
            total_steps=total_steps,
            pct_start=pct_start,
            anneal_strategy=anneal_strategy,
            cycle_momentum=cycle_momentum,
            base_momentum=base_momentum,
            max_momentum=max_momentum,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            three_phase=three_phase,
        )

    def _start(self, last_epoch: int) -> None:
        if self.cycle_momentum and not {"momentum", "betas"} & self.optimizer.defaults.keys():
            raise ValueError(
                f"cycle_momentum needs an optimizer with momentum or betas, but {type(self.optimizer).__name__} has "
                f"none; use cycle_momentum=False."
            )
        if last_epoch == -1:
            for group, peak in zip(self.optimizer.param_groups, self.max_lr):
                group["lr"] = group["initial_lr"] = peak / self.div_factor
            self._last_lr = [group["lr"] for group in self.optimizer.param_groups]
        super()._start(last_epoch)

    def rate(self, base_lr: float, epoch: float, group: int) -> float:
        """Return the learning rate at a step, whatever the rate to start from; see `LRScheduler.rate`."""
        peak = self.max_lr[group]
        start = peak / self.div_factor
        return self._between(epoch, [start, peak, start, start / self.final_div_factor])

    def others(self, epoch: float, group: int) -> dict[str, Any]:
        """Return the momentum at a step; see `LRScheduler.others`."""
        if not self.cycle_momentum:
            return {}
        high, low = self.max_momentum[group], self.base_momentum[group]
        momentum = self._between(epoch, [high, low, high, high])
        options = self.optimizer.param_groups[group]
        if "betas" in self.optimizer.defaults:
            return {"betas": (momentum, options["betas"][1])}
        return {"momentum": momentum}

    def _between(self, epoch: float, values: list[float]) -> float:
        """Return a value of the curve through four points, the third of which is there with three phases only."""
        if epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR must take at most its total_steps={self.total_steps} steps, but this is step {epoch}."
            )
        end = self.total_steps - 1
        epoch = min(epoch, end)
        rising = self.pct_start * self.total_steps
        ends = [0.0, rising - 1, 2 * rising - 2, end]
        if not self.three_phase:
            del values[2], ends[2]
        phase = 1
        while phase < len(ends) - 1 and epoch > ends[phase]:
            phase += 1
        first, last = ends[phase - 1], ends[phase]
        share = (epoch - first) / (last - first) if last > first else 1.0
        start, goal = values[phase - 1], values[phase]
        if self.anneal_strategy == "cos":
            return goal + (start - goal) / 2 * (1 + math.cos(math.pi * share))
        return start + (goal - start) * share
