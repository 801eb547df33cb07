"""One table of kernels: (operation, direction, backend) -> function on plain arrays.

An operation (a convolution algorithm, a pooling, an optimizer) is not a backend: Winograd's algorithm may have
a NumPy, a Numba and a WebAssembly implementation. Each registers itself here, and callers ask for the best one
there is, or for the one that the user has forced.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["PREFERENCE", "backends_of", "find", "register", "use_backend"]

#: Backends in order of preference; "numpy" has every operation.
PREFERENCE = ("numpy",)

_TABLE: dict[tuple[str, str], dict[str, Callable[..., Any]]] = {}
_forced: ContextVar[str | None] = ContextVar("sevenloops_backend", default=None)


def register(operation: str, direction: str, backend: str, function: Callable[..., Any]) -> None:
    """Enter `function` as the kernel of an operation's direction on a backend.

    Raises
    ------
    ValueError
        If the backend is unknown, or the place is taken.
    """
    _check("backend", backend)
    kernels = _TABLE.setdefault((operation, direction), {})
    if backend in kernels:
        raise ValueError(f"{operation} ({direction}) already has a {backend} kernel; register each one once.")
    kernels[backend] = function


def backends_of(operation: str, direction: str) -> tuple[str, ...]:
    """Return the backends that implement an operation's direction, the preferred one first."""
    kernels = _TABLE.get((operation, direction), {})
    return tuple(name for name in PREFERENCE if name in kernels)


def find(operation: str, direction: str) -> Callable[..., Any]:
    """Return the kernel of an operation's direction: the forced backend's, else the preferred one's.

    Raises
    ------
    ValueError
        If no backend, or not the forced one, implements it.
    """
    kernels = _TABLE.get((operation, direction), {})
    forced = current_backend()
    for name in (forced,) if forced else PREFERENCE:
        if name in kernels:
            return kernels[name]
    raise ValueError(
        f"{operation} ({direction}) has no {forced or 'registered'} kernel; "
        f"it exists on: {', '.join(kernels) or 'no backend'}."
    )


def current_backend() -> str | None:
    """Return the backend forced by `use_backend` or the variable SEVENLOOPS_BACKEND, or None for free choice."""
    forced = _forced.get()
    if forced is None:
        forced = os.environ.get("SEVENLOOPS_BACKEND") or None
        if forced:
            _check("SEVENLOOPS_BACKEND", forced)
    return forced


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Force one backend for every operation inside the ``with`` block (in this thread or task only).

    Raises
    ------
    ValueError
        If the backend is unknown.
    """
    _check("name", name)
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def _check(what: str, backend: str) -> None:
    if backend not in PREFERENCE:
        raise ValueError(f"{what} must be one of the backends {', '.join(PREFERENCE)}, but got {backend!r}.")
