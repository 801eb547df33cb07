"""One table of kernels: (operation, direction, backend) -> function on plain arrays.

An operation (a convolution algorithm, a pooling, an optimizer) is not a backend: Winograd's algorithm may have a
NumPy implementation, one in machine code and one in WebAssembly. Each registers itself here, and callers ask for the
best one there is, or for the one that the user has forced. A backend whose modules should not be imported before they
are used registers the names of its kernels.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

__all__ = [
    "PREFERENCE",
    "backends_of",
    "find",
    "kernel",
    "machine_code_works",
    "register",
    "usable",
    "use_backend",
]

#: Backends in order of preference: machine code made here (see `sevenloops.jit`), which needs llvmlite; "numpy" has
#: every operation.
PREFERENCE = ("jit", "numpy")

_TABLE: dict[tuple[str, str], dict[str, Callable[..., Any] | str]] = {}
_forced: ContextVar[str | None] = ContextVar("sevenloops_backend", default=None)


def register(operation: str, direction: str, backend: str, function: Callable[..., Any] | str) -> None:
    """Enter the kernel of an operation's direction on a backend.

    Parameters
    ----------
    operation, direction, backend : str
    function : callable or str
        The kernel, or where it is once it is needed: "module:name".

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
    """Return the backends that implement an operation's direction and work here, the preferred one first."""
    kernels = _TABLE.get((operation, direction), {})
    return tuple(name for name in PREFERENCE if name in kernels and _works(name))


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
        if name in kernels and _works(name):
            return kernel(operation, direction, name)
    raise ValueError(
        f"{operation} ({direction}) has no {forced or 'registered'} kernel; "
        f"it exists on: {', '.join(kernels) or 'no backend'}."
    )


def usable() -> tuple[str, ...]:
    """Return the backends that may be used now, the preferred one first: the forced one, or all that work here."""
    forced = current_backend()
    return (forced,) if forced else tuple(name for name in PREFERENCE if _works(name))


def kernel(operation: str, direction: str, backend: str) -> Callable[..., Any]:
    """Return the kernel of an operation's direction on a backend that has it."""
    kernels = _TABLE[operation, direction]
    found = kernels[backend]
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = kernels[backend] = getattr(import_module(module), attribute)
    return found


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


def _works(name: str) -> bool:
    return name != "jit" or machine_code_works()


@cache
def machine_code_works() -> bool:
    """Return whether the backend "jit" can be used: llvmlite is installed and can generate code for this machine.

    Warns
    -----
    RuntimeWarning
        Once, if it is installed and cannot.
    """
    try:
        import llvmlite  # noqa: F401  (by itself, so that the error tells which of the two is missing)
        import llvmlite.binding as llvm
    except Exception as error:  # it is missing, or a library is broken or lacks one that it needs
        if isinstance(error, ModuleNotFoundError) and error.name == "llvmlite":
            return False
        reason = f"llvmlite cannot be loaded ({error})"
    else:
        try:
            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
            llvm.Target.from_default_triple()
        except Exception as error:
            reason = f"LLVM has no code generator for this machine ({error})"
        else:
            return True
    warnings.warn(f"sevenloops computes with NumPy alone, since {reason}.", RuntimeWarning, stacklevel=2)
    return False


def _check(what: str, backend: str) -> None:
    if backend not in PREFERENCE:
        raise ValueError(f"{what} must be one of the backends {', '.join(PREFERENCE)}, but got {backend!r}.")
