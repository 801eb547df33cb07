"""What the machine offers: threads, the BLAS below NumPy, cache sizes, folders, memory.

Threads may not exist (Pyodide) and the cache folder may be read-only; everything else asks here and need not know.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sevenloops.arrays import Array

__all__ = [
    "CACHE_BYTES",
    "blas_is_held",
    "cache_folder",
    "empty",
    "get_num_threads",
    "parallel",
    "set_num_threads",
    "single_threaded_blas",
]

T = TypeVar("T")

#: Bytes of a strip that stays in a core's second-level cache next to what it is computed from. Every desktop and
#: server core of the last ten years has 256 KiB at least, recent ones 1 MiB and more.
CACHE_BYTES = 512 * 1024


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Allocate an uninitialised workspace; every workspace of the library comes from here."""
    return np.empty(shape, dtype)


# --- threads ----------------------------------------------------------------------------------------------

_lock = threading.Lock()
_threads: int | None = None
_pool: ThreadPoolExecutor | None = None
_in_worker = threading.local()


def _threads_exist() -> bool:
    platform: str = sys.platform  # a plain str, so that the type checker takes no platform for granted
    return platform not in ("emscripten", "wasi")


def _available_cores() -> int:
    if not _threads_exist():
        return 1
    if hasattr(os, "sched_getaffinity"):  # Linux; respects taskset and containers' cpusets
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_num_threads() -> int:
    """Return how many threads an operation may use."""
    global _threads
    if _threads is None:
        value = os.environ.get("SEVENLOOPS_NUM_THREADS")
        _threads = _thread_count("SEVENLOOPS_NUM_THREADS", value) if value else _available_cores()
    return _threads


def set_num_threads(n: int) -> None:
    """Set how many threads an operation may use.

    The start value is the number of cores of the process, or the variable SEVENLOOPS_NUM_THREADS.

    Parameters
    ----------
    n : int
        At least 1. Where threads do not exist (a browser) only 1 thread is used whatever is set.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1.

    Examples
    --------
    >>> import sevenloops as sl
    >>> before = sl.get_num_threads()
    >>> sl.set_num_threads(1)
    >>> sl.get_num_threads()
    1
    >>> sl.set_num_threads(before)
    """
    global _threads, _pool
    count = _thread_count("n", n)
    with _lock:
        _threads = count if _threads_exist() else 1
        old = _pool
        _pool = None
    if old is not None:
        old.shutdown(wait=False)  # calls under way finish their work on it


def _thread_count(name: str, value: Any) -> int:
    """Return a checked number of threads; decimal text comes from the environment."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number of threads, but got {value!r}.")
    if value < 1:
        raise ValueError(f"{name} must be at least 1 thread, but got {value}.")
    return int(value)


def parallel(function: Callable[[T], None], items: Iterable[T], at_once: int | None = None) -> None:
    """Call ``function(item)`` for every item, on the thread pool where that helps.

    The calls must write to separate places: their order is free. With BLAS's own threads not held back (see
    `single_threaded_blas`) the items run one after another, since BLAS then uses the cores itself. A call from
    within a pool thread runs serially, so nesting cannot wait for itself.

    Parameters
    ----------
    function : callable
    items : iterable
    at_once : int, optional
        How many calls may run at the same time, if fewer than `get_num_threads` says.

    Raises
    ------
    BaseException
        The first exception of a call, after all calls that had started have ended.
    """
    work = list(items)
    threads = min(get_num_threads(), len(work), at_once or len(work))
    if threads < 2 or getattr(_in_worker, "active", False):
        for item in work:
            function(item)
        return
    with single_threaded_blas() as held:
        if not held:
            for item in work:
                function(item)
            return
        queue = iter(work)
        take = threading.Lock()

        def drain() -> None:
            nested, _in_worker.active = getattr(_in_worker, "active", False), True
            try:
                while True:
                    with take:
                        try:
                            item = next(queue)
                        except StopIteration:
                            return
                    function(item)
            finally:
                _in_worker.active = nested

        # The calling thread works too: one thread fewer to wake, and progress even if the pool is busy.
        helpers = []
        with suppress(RuntimeError):  # no new thread can start, or the interpreter is closing down
            for _ in range(threads - 1):
                helpers.append(_submit(drain))
        try:
            drain()
        finally:
            for helper in helpers:
                if not helper.cancel():
                    helper.exception()
        for helper in helpers:
            if not helper.cancelled():
                helper.result()


def _submit(function: Callable[[], None]) -> Any:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, get_num_threads() - 1), thread_name_prefix="sevenloops")
        return _pool.submit(function)


def _forget_pool() -> None:
    """Drop the pool in a forked child: its threads were not copied, and the locks may have been held."""
    global _pool, _lock, _blas_lock, _blas_holders
    _pool = None
    _lock = threading.Lock()
    _blas_lock = threading.Lock()
    if _blas_holders:
        _blas_holders = 0
        _restore_blas()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


# --- BLAS --------------------------------------------------------------------------------------------------------
# OpenBLAS runs one level-3 call at a time and its worker spins for about 100 ms afterwards, which starves a second
# pool. So the pool runs only while BLAS is held to one thread, which needs threadpoolctl.

_blas_lock = threading.Lock()
_blas_holders = 0
_blas_before: list[tuple[Any, int]] = []


@cache
def _blas_controllers() -> tuple[Any, ...]:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return ()
    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


def blas_is_held() -> bool:
    """Return whether BLAS can be held to one thread here (threadpoolctl is installed and knows this BLAS)."""
    return bool(_blas_controllers())


@contextmanager
def single_threaded_blas() -> Iterator[bool]:
    """Hold BLAS to one thread inside the ``with`` block; yields whether that was possible.

    Counted, since the setting is global to the process: BLAS gets its threads back when the last holder, in
    whichever thread, leaves.
    """
    global _blas_holders
    if not blas_is_held():
        yield False
        return
    with _blas_lock:
        if _blas_holders == 0:
            _blas_before[:] = [(library, library.get_num_threads()) for library in _blas_controllers()]
            for library, _ in _blas_before:
                library.set_num_threads(1)
        _blas_holders += 1
    try:
        yield True
    finally:
        with _blas_lock:
            _blas_holders -= 1
            if _blas_holders == 0:
                _restore_blas()


def _restore_blas() -> None:
    for library, threads in _blas_before:
        library.set_num_threads(threads)


# --- folders -----------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Return the user's folder for what can be made or fetched again; it need not exist, nor be writable.

    The variable SEVENLOOPS_CACHE names another one.
    """
    chosen = os.environ.get("SEVENLOOPS_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sevenloops"
