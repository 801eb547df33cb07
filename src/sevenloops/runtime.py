"""What the machine offers: threads, the BLAS below NumPy, cache sizes, folders, memory.

Threads may not exist (Pyodide) and the cache folder may be read-only; everything else asks here and need not know.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sevenloops.arrays import Array
from sevenloops.buffers import recycled

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

__all__ = [
    "CACHE_BYTES",
    "blas_is_held",
    "cache_folder",
    "empty",
    "empty_like",
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
    """Allocate an uninitialised array; kernels get all memory that is not set to a value from here."""
    return recycled(shape, dtype)


def empty_like(array: Array, dtype: Any = None) -> Array:
    """Allocate an uninitialised array of an array's shape and, as far as it has one, its order in memory."""
    wanted = array.dtype if dtype is None else dtype
    if array.flags.c_contiguous:
        return recycled(array.shape, wanted)
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    return recycled(tuple(array.shape[axis] for axis in order), wanted).transpose(np.argsort(order))


# --- threads -----------------------------------------------------------------------------------------------------


class _PerThread(threading.local):
    working = False  # whether this thread is within a call made by `parallel`
    holds = 0  # how many of the holders of BLAS are this thread's


_here = _PerThread()
_lock = threading.Lock()
_threads: int | None = None  # as set; None for the start value
_pool: "ThreadPoolExecutor | None" = None


def _threads_exist() -> bool:
    platform: str = sys.platform  # a plain str, so that the type checker takes no platform for granted
    return platform not in ("emscripten", "wasi")


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; respects taskset and containers' cpusets
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _threads_at_start() -> int:
    text = os.environ.get("SEVENLOOPS_NUM_THREADS")
    if not text:
        return _available_cores()
    try:
        count = int(text)
    except ValueError:
        raise ValueError(
            f"SEVENLOOPS_NUM_THREADS must be a whole number of threads, but is {text!r}; unset it to use every core."
        ) from None
    return _at_least_one("SEVENLOOPS_NUM_THREADS", count)


def get_num_threads() -> int:
    """Return how many threads an operation may use.

    Raises
    ------
    ValueError
        If nothing has been set and the variable SEVENLOOPS_NUM_THREADS is no number of threads.
    """
    if not _threads_exist():
        return 1
    return _threads or _threads_at_start()


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
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise TypeError(f"n must be a whole number of threads, but got {n!r}.")
    with _lock:
        _threads = _at_least_one("n", int(n))
        old = _pool
        _pool = None
    if old is not None:
        old.shutdown(wait=False)  # calls under way finish their work on it


def _at_least_one(name: str, count: int) -> int:
    if count < 1:
        raise ValueError(f"{name} must be at least 1 thread, but got {count}.")
    return count


def parallel(function: Callable[[T], None], items: Iterable[T], at_once: int | None = None) -> None:
    """Call ``function(item)`` for every item, on the thread pool where that helps.

    The calls must write to separate places: their order is free. They see the caller's context variables, NumPy's
    error state among them. With BLAS's own threads not held back (see `single_threaded_blas`) the items run one after
    another, since BLAS then uses the cores itself, and so do those of a call from within a call.

    Parameters
    ----------
    function : callable
    items : iterable
    at_once : int, optional
        How many calls may run at the same time, if fewer than `get_num_threads` says.

    Raises
    ------
    BaseException
        The first exception of a call, after all calls that had started have ended. No further ones start.
    """
    work = list(items)
    threads = min(get_num_threads(), len(work), len(work) if at_once is None else at_once)
    if threads > 1 and not _here.working:
        with single_threaded_blas() as held:
            if held:
                _share_out(function, work, threads)
                return
    for item in work:
        function(item)


def _share_out(function: Callable[[T], None], work: list[T], threads: int) -> None:
    """Let this thread and the pool's take items until none is left or a call has failed."""
    queue = deque(work)  # its methods are atomic
    job = [function]  # taken out in the end, so that what is left for a thread that comes late keeps no arrays alive
    failures: list[BaseException] = []
    changed = threading.Condition()
    helping = 0

    def drain() -> None:
        try:
            _here.working = True
            while True:
                try:
                    item = queue.popleft()
                except IndexError:
                    return
                job[0](item)
        except BaseException as error:
            failures.append(error)
            queue.clear()
        finally:
            _here.working = False

    def help_out() -> None:
        nonlocal helping
        with changed:
            helping += 1
        drain()
        with changed:
            helping -= 1
            changed.notify()

    # The calling thread works too: one thread fewer to wake, and progress even if the pool is busy. It waits for the
    # helpers that have begun; those that come later find no item.
    try:
        with suppress(RuntimeError):  # the threads there are do the work
            for _ in range(threads - 1):
                _submit(partial(copy_context().run, help_out))
        drain()
    finally:
        with changed:
            changed.wait_for(lambda: helping == 0)
        job.clear()
    try:
        if failures:
            raise failures[0]
    finally:
        failures.clear()  # its traceback leads back to this list: a cycle would keep the arrays of the call


def _submit(function: Callable[[], None]) -> None:
    global _pool
    with _lock:
        if _pool is None:
            from concurrent.futures import ThreadPoolExecutor  # with its modules, 4 ms that not everybody needs

            _pool = ThreadPoolExecutor(max(1, get_num_threads() - 1), thread_name_prefix="sevenloops")
        try:
            _pool.submit(function)
        except RuntimeError:  # no new thread can start, or the interpreter is closing down
            _pool = None  # where nothing takes what has been submitted
            raise


def _forget_other_threads() -> None:
    """Drop what a forked child has of its parent's other threads: the pool, held locks, their holds of BLAS."""
    global _pool, _lock, _blas_lock, _blas_holders
    _pool = None
    _lock = threading.Lock()
    _blas_lock = threading.Lock()
    if _blas_holders:
        _blas_holders = _here.holds
        if not _blas_holders:
            _restore_blas()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


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
    libraries = tuple(ThreadpoolController().select(user_api="blas").lib_controllers)
    return () if any(map(_counts_by_thread, libraries)) else libraries


def _counts_by_thread(library: Any) -> bool:
    """Return whether a BLAS has one setting per calling thread: then none of them can hold it for the others."""
    return bool(library.internal_api == "openblas" and library.threading_layer == "openmp")


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
                _set_blas_threads(library, 1)
        _blas_holders += 1
    _here.holds += 1
    try:
        yield True
    finally:
        _here.holds -= 1
        with _blas_lock:
            _blas_holders -= 1
            if _blas_holders == 0:
                _restore_blas()


def _restore_blas() -> None:
    for library, threads in _blas_before:
        _set_blas_threads(library, threads)


def _set_blas_threads(library: Any, threads: int) -> None:
    """Set the threads of one BLAS, from whichever thread of the process.

    From 3.8 on threadpoolctl obeys only the first thread that sets OpenBLAS's, and ignores all others without a word,
    until that one gives the control up.
    """
    give_up = getattr(library, "clear_controlling_thread", None)
    if give_up is not None:
        give_up(force=True)
    library.set_num_threads(threads)
    if give_up is not None:
        give_up(force=True)


# --- folders -----------------------------------------------------------------------------------------------------


def cache_folder() -> "Path":
    """Return the user's folder for what can be made or fetched again; it need not exist, nor be writable.

    The variable SEVENLOOPS_CACHE names another one.
    """
    from pathlib import Path

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
