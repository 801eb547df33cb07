"""The switch that says whether operations are recorded."""

import inspect
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import wraps
from typing import ClassVar, ParamSpec, TypeVar

__all__ = ["enable_grad", "is_grad_enabled", "no_grad"]

P = ParamSpec("P")
R = TypeVar("R")

_grad_enabled: ContextVar[bool] = ContextVar("sevenloops_grad_enabled", default=True)


def is_grad_enabled() -> bool:
    """Return whether operations are recorded in this thread (or asyncio task)."""
    return _grad_enabled.get()


class _GradMode:
    """A context manager and decorator that sets whether operations are recorded, in this thread or task only."""

    _enabled: ClassVar[bool]

    def __init__(self) -> None:
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_grad_enabled.set(self._enabled))

    def __exit__(self, *exception: object) -> None:
        _grad_enabled.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{type(self).__name__} can decorate plain functions only, but {function.__name__} suspends; "
                f"use a with block inside it."
            )

        @wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)():  # one per call: calls may nest and run in several threads
                return function(*args, **kwargs)

        return inside


class no_grad(_GradMode):
    """Compute without recording: nothing inside requires a gradient, and no input is kept for one.

    Usable as ``with no_grad():`` and as ``@no_grad()``; it holds for this thread or asyncio task.

    Examples
    --------
    >>> import sevenloops as sl
    >>> x = sl.Tensor([1.0, 2.0], requires_grad=True)
    >>> with sl.no_grad():
    ...     y = x * 2.0
    >>> y.requires_grad
    False
    """

    _enabled = False


class enable_grad(_GradMode):
    """Record again inside a `no_grad` block.

    Usable as ``with enable_grad():`` and as ``@enable_grad()``; it holds for this thread or asyncio task.

    Examples
    --------
    >>> import sevenloops as sl
    >>> x = sl.Tensor([1.0, 2.0], requires_grad=True)
    >>> with sl.no_grad(), sl.enable_grad():
    ...     y = x * 2.0
    >>> y.requires_grad
    True
    """

    _enabled = True
