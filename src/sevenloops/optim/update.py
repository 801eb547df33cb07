"""The record that makes an optimizer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sevenloops import backends
from sevenloops.arrays import Array

__all__ = ["Update", "UpdateKernel", "loss_gradient"]

#: A kernel of an update. It gets contiguous arrays of one axis and one dtype, float32 or float64: blocks of a
#: parameter and of all that belongs to it. It writes the new values into `parameter` and `buffers`, may overwrite
#: `work`, and checks nothing:
#:
#:     step(parameter, gradient, buffers, work, count, first, **options)
#:
#: `buffers` are the parameter's own, zeros before its first step; `work` are arrays of its size; `count` is 1 in its
#: first step (0 always where steps are not counted); `first` says whether all its buffers are new.
UpdateKernel = Callable[..., None]


def _no_buffers(options: Mapping[str, Any]) -> tuple[str, ...]:
    return ()


def _all_fit(options: Mapping[str, Any]) -> None:
    """Accept any combination."""


@dataclass(frozen=True, slots=True)
class Update:
    """The update of an optimizer: what it is called, what it can be told, what it keeps, and how it is computed.

    Attributes
    ----------
    name : str
        As in the table of backends, where its kernels are ("optim/sgd", "step").
    options : mapping of str to callable
        Per hyper-parameter a function (name, value) that returns the checked value.
    kernel : callable
        The step of its NumPy backend.
    buffers : callable
        ``buffers(options)``: the names of the arrays that are kept for each parameter.
    counts : bool
        Whether the number of steps is kept for each parameter, as "step".
    work : int
        How many arrays of a block's size its kernel needs to work in.
    together : callable
        ``together(options)`` raises ValueError where options contradict each other.
    machine_code : str
        The name of the function in `sevenloops.jit.step.optimizers` that makes the steps of all parameters at once
        ("optim/sgd", "steps"), if there is one.
    """

    name: str
    options: Mapping[str, Callable[[str, Any], Any]]
    kernel: UpdateKernel = field(repr=False)
    buffers: Callable[[Mapping[str, Any]], tuple[str, ...]] = _no_buffers
    counts: bool = True
    work: int = 1
    together: Callable[[Mapping[str, Any]], None] = _all_fit
    machine_code: str = ""

    def __post_init__(self) -> None:
        backends.register(self.name, "step", "numpy", self.kernel)
        if self.machine_code:
            backends.register(self.name, "steps", "jit", f"sevenloops.jit.step.optimizers:{self.machine_code}")

    def checked(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a parameter group, each checked and in its own type, and all of them together."""
        options = {name: check(name, group[name]) for name, check in self.options.items()}
        self.together(options)
        return options


def loss_gradient(parameter: Array, gradient: Array, weight_decay: float, maximize: bool, out: Array) -> Array:
    """Return the gradient of what is minimised, with the decay of the weights; in `out` if it is not `gradient`."""
    if weight_decay:
        np.multiply(parameter, weight_decay, out=out)
        return np.subtract(out, gradient, out=out) if maximize else np.add(out, gradient, out=out)
    return np.multiply(gradient, -1, out=out) if maximize else gradient
