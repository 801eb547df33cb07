"""Preparing what comes next in a thread, while the present is worked with."""

import atexit
from collections.abc import Callable, Generator, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeAlias, TypeVar, cast

__all__ = ["THREAD_NAME", "prepare_ahead"]

T = TypeVar("T")

#: What the threads are called.
THREAD_NAME = "sevenloops-prefetch"

_EXIT_SECONDS = 2.0  # how long the end of the interpreter waits for what is being prepared

_Ready: TypeAlias = SimpleQueue[tuple[T, None] | tuple[None, BaseException]]


def prepare_ahead(make: Callable[[int], T], numbers: Sequence[int], depth: int) -> Generator[T, None, None]:
    """Yield ``make(number)`` for each number, of which one thread prepares at most `depth` ahead.

    The thread sees the context variables (NumPy's error state among them) as they are when the first is asked for. It
    ends when the iterator does: exhausted, closed, or out of use. Where no thread can be started, and in a forked
    child, which has none of its parent's, the caller's own thread makes what is asked for when it is asked for.

    Parameters
    ----------
    make : callable
        What it raises comes out of the iterator, with its traceback, in place of what it would have returned.
    numbers : sequence of int
    depth : int
        With 0 there is no thread.
    """
    if depth == 0:
        for number in numbers:
            yield make(number)
        return
    # These queues take no lock that a finalizer could find taken: an iterator may be collected in any thread, in the
    # middle of anything, and it says so by `stop`. The thread knows the queues, but not the iterator.
    ready: _Ready[T] = SimpleQueue()
    room: SimpleQueue[None] = SimpleQueue()  # an entry for each that may be prepared
    stopped = Event()
    thread = Thread(
        target=copy_context().run,
        args=(_prepare, make, numbers, ready, room, stopped),
        name=THREAD_NAME,
        daemon=True,
    )

    def stop() -> None:
        stopped.set()
        room.put(None)

    def stop_at_exit() -> None:
        stop()
        thread.join(_EXIT_SECONDS)  # a thread that runs while the interpreter is taken down may crash it

    try:
        for _ in range(depth):
            room.put(None)
        started = _start(thread)
        if started:
            atexit.register(stop_at_exit)
        for number in numbers:
            # No variable holds what is handed out: once the caller lets go of it, its memory is free.
            if started and (thread.is_alive() or not ready.empty()):
                yield _take(ready, room)
            else:
                yield make(number)
    finally:
        stop()
        atexit.unregister(stop_at_exit)


def _start(thread: Thread) -> bool:
    """Start a thread, if one can be: none can in a browser, at a limit, or while the interpreter is closing down."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def _take(ready: _Ready[T], room: SimpleQueue[None]) -> T:
    """Return what comes next, or raise what was raised instead, and make room for another."""
    made, error = ready.get()
    try:
        if error is not None:
            raise error
        room.put(None)
        return cast(T, made)
    finally:
        del error  # its traceback leads back to this frame


def _prepare(
    make: Callable[[int], T], numbers: Sequence[int], ready: _Ready[T], room: SimpleQueue[None], stopped: Event
) -> None:
    """Make one thing after another as there is room for it, until something ends it."""
    for number in numbers:
        room.get()
        if stopped.is_set():
            return
        try:
            ready.put((make(number), None))
        except BaseException as error:
            ready.put((None, error))
            return
