"""The record that makes an optimizer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sevenloops import backends
from sevenloops.arrays import Array

__all__ = ["Update", "UpdateKernel"]

#: A kernel of an update. It gets plain arrays of one float32 or float64 dtype, writes the new values into `parameter`
#: and `buffers`, may overwrite `work`, and checks nothing:
#:
#:     step(parameter, gradient, buffers, work, count, **options)
#:
#: `buffers` are the parameter's own, zeros before its first step; `work` are arrays of its shape; `count` is 1 in its
#: first step.
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
    work : int
        How many arrays of a parameter's shape its kernel needs to work in.
    together : callable
        ``together(options)`` raises ValueError where options contradict each other.
    """

    name: str
    options: Mapping[str, Callable[[str, Any], Any]]
    kernel: UpdateKernel = field(repr=False)
    buffers: Callable[[Mapping[str, Any]], tuple[str, ...]] = _no_buffers
    work: int = 1
    together: Callable[[Mapping[str, Any]], None] = _all_fit

    def __post_init__(self) -> None:
        backends.register(self.name, "step", "numpy", self.kernel)

    def checked(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a parameter group, each checked and in its own type, and all of them together."""
        options = {name: check(name, group[name]) for name, check in self.options.items()}
        self.together(options)
        return options

    def step(
        self,
        parameter: Array,
        gradient: Array,
        buffers: Mapping[str, Array],
        work: list[Array],
        count: int,
        options: Mapping[str, Any],
    ) -> None:
        """Run the kernel of the backend in force."""
        backends.find(self.name, "step")(parameter, gradient, buffers, work, count, **options)
