"""Stopping between two steps: signals that are noted when they come and obeyed where nothing is half done."""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts", "Stopped"]


class Stopped(KeyboardInterrupt):
    """Training was asked to stop by a signal, and has done so between two steps.

    Parameters
    ----------
    signum : int
        The number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {'Ctrl-C' if signum == signal.SIGINT else signal.Signals(signum).name}")
        self.signum = signum


class Interrupts:
    """While this context lasts, Ctrl-C and SIGTERM wait for `check`; the second one acts at once.

    Signals that the program ignores or handles itself stay as they are, and so does everything where this is not the
    main thread, in which alone Python handles signals.

    Parameters
    ----------
    quiet : bool
        Say nothing on stderr when a signal comes.

    Examples
    --------
    >>> import signal
    >>> with Interrupts(quiet=True) as interrupts:
    ...     signal.raise_signal(signal.SIGINT)
    ...     print("the step is finished")
    ...     try:
    ...         interrupts.check()
    ...     except Stopped as stopped:
    ...         print(stopped)
    the step is finished
    stopped by Ctrl-C
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._asked: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
            for signum, handler in usual.items():
                if signal.getsignal(signum) == handler:
                    self._previous[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def check(self) -> None:
        """Raise Stopped if a signal has come."""
        if self._asked is not None:
            raise Stopped(self._asked)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._asked = signum
        self._restore()
        if not self._quiet:
            with suppress(OSError):  # a handler must not use sys.stderr, in whose own code it may have come
                os.write(2, b"\nStopping after this step; once more stops at once.\n")

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
