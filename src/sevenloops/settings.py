"""Switches of the process: measuring algorithms, and allowing those that round more."""

import os
from functools import cache
from types import TracebackType
from typing import ClassVar

__all__ = ["autotune", "is_autotuning", "is_exact", "use_exact_algorithms"]


class _Switch:
    """A switch that is set when it is made; in a ``with`` statement only until the end of the block."""

    variable: ClassVar[str]
    _value: ClassVar[bool | None] = None

    def __init__(self, enabled: bool = True) -> None:
        if not isinstance(enabled, bool):
            raise TypeError(f"enabled must be True or False, but got {enabled!r}.")
        self._enabled, self._before = enabled, type(self)._value
        type(self)._value = enabled

    def __enter__(self) -> None:
        type(self)._value = self._enabled  # it may be entered a second time

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        type(self)._value = self._before

    @classmethod
    def is_on(cls) -> bool:
        """Return what it was set to last, or its start value."""
        return _at_start(cls.variable) if cls._value is None else cls._value


@cache
def _at_start(variable: str) -> bool:
    text = os.environ.get(variable)
    if not text or text == "0":
        return False
    if text != "1":
        raise ValueError(f"{variable} must be 0 or 1, but is {text!r}; unset it for 0.")
    return True


class autotune(_Switch):
    """Let "auto" measure the algorithms that might be fastest, once for each layer, and remember the result.

    Without it "auto" goes by the cost model alone. A layer is measured when it is first planned, on arrays of its
    own, which takes some tens of milliseconds; what was found is kept in the cache folder, in one file per layer, and
    used by later processes on the same machine with the same versions and as many threads. `plan_conv2d` shows it.

    The choice, and so the last bits of a result, may then differ from machine to machine.

    Parameters
    ----------
    enabled : bool
        The start value is the variable SEVENLOOPS_AUTOTUNE, 0 or 1. It holds for the process, or as the argument of a
        ``with`` statement until the end of the block.

    Raises
    ------
    TypeError
        If `enabled` is not a bool.

    Examples
    --------
    >>> import sevenloops as sl
    >>> with sl.autotune():
    ...     pass  # plans made here are measured
    """

    variable = "SEVENLOOPS_AUTOTUNE"


class use_exact_algorithms(_Switch):
    """Let "auto" take only algorithms that round as little as the definition's sum does.

    That rules out `winograd`, which transforms what it multiplies: see the table in `sevenloops.conv.tolerance`. An
    algorithm that is asked for by name is taken all the same.

    Parameters
    ----------
    enabled : bool
        The start value is the variable SEVENLOOPS_EXACT, 0 or 1. It holds for the process, or as the argument of a
        ``with`` statement until the end of the block.

    Raises
    ------
    TypeError
        If `enabled` is not a bool.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x, weight = np.ones((8, 64, 56, 56), np.float32), np.ones((64, 64, 3, 3), np.float32)
    >>> with sl.use_exact_algorithms():
    ...     sl.plan_conv2d(x, weight).algorithm == "winograd"
    False
    """

    variable = "SEVENLOOPS_EXACT"


def is_autotuning() -> bool:
    """Return whether algorithms are measured."""
    return autotune.is_on()


def is_exact() -> bool:
    """Return whether "auto" takes no algorithm that rounds more than others."""
    return use_exact_algorithms.is_on()
