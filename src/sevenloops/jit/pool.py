"""The threads that run machine code: they wait for work outside the interpreter, so that handing it out is quick.

A parallel call gives a kernel a number of items; threads take `grain` of them at a time until none is left. The
calling thread works too. The others spin for a moment after each call, since the next layer of a network follows
within microseconds, then sleep until they are woken. Which thread does which items is left open, so kernels make no
result depend on it.

Measured on two cores: an empty call takes about 1 µs while the other thread spins, 20 µs when it sleeps; Numba's
workqueue layer takes 11 µs, and aborts the process when two threads call at once.
"""

import ctypes
import os
import platform
import threading
from _thread import allocate_lock
from contextlib import suppress
from typing import Any

from sevenloops.jit import compiler

__all__ = ["run"]

# The state is an array of 64-bit integers; what different threads write lies in different cache lines.
_WORD, _NEXT, _FUNCTION, _ARGS, _ITEMS, _GRAIN = 0, 8, 16, 17, 18, 19
_SIZE = 24
_SPINS = 8000  # about 100 µs

# The word is  generation · 2^16 + 2 · (threads inside) + (1 if open). A thread joins by one compare-and-swap, which
# fails once the call has been closed: it cannot touch the arguments of a call that is over.
_TEXT = """
define internal void @drain(ptr %s, i64 %thread) nounwind {
entry:
  %next = getelementptr i64, ptr %s, i64 8
  %pf = getelementptr i64, ptr %s, i64 16
  %pa = getelementptr i64, ptr %s, i64 17
  %pi = getelementptr i64, ptr %s, i64 18
  %pg = getelementptr i64, ptr %s, i64 19
  %f = load ptr, ptr %pf
  %a = load ptr, ptr %pa
  %items = load i64, ptr %pi
  %grain = load i64, ptr %pg
  br label %take
take:
  %b = atomicrmw add ptr %next, i64 %grain monotonic
  %more = icmp slt i64 %b, %items
  br i1 %more, label %work, label %done
work:
  %e0 = add i64 %b, %grain
  %last = icmp slt i64 %e0, %items
  %e = select i1 %last, i64 %e0, i64 %items
  call void %f(ptr %a, i64 %b, i64 %e, i64 %thread)
  br label %take
done:
  ret void
}

define void @NAME_call(ptr %s, ptr %f, ptr %a, i64 %items, i64 %grain) nounwind {
entry:
  %next = getelementptr i64, ptr %s, i64 8
  %pf = getelementptr i64, ptr %s, i64 16
  %pa = getelementptr i64, ptr %s, i64 17
  %pi = getelementptr i64, ptr %s, i64 18
  %pg = getelementptr i64, ptr %s, i64 19
  store ptr %f, ptr %pf
  store ptr %a, ptr %pa
  store i64 %items, ptr %pi
  store i64 %grain, ptr %pg
  store atomic i64 0, ptr %next monotonic, align 8
  %w0 = load atomic i64, ptr %s monotonic, align 8
  %w1 = add i64 %w0, 65537
  store atomic i64 %w1, ptr %s release, align 8
  call void @drain(ptr %s, i64 0)
  %w2 = atomicrmw sub ptr %s, i64 1 acq_rel
  br label %wait
wait:
  %w = load atomic i64, ptr %s acquire, align 8
  %inside = and i64 %w, 65535
  %none = icmp eq i64 %inside, 0
  br i1 %none, label %done, label %again
again:
  PAUSE
  br label %wait
done:
  ret void
}

define i64 @NAME_help(ptr %s, i64 %thread, i64 %seen0, i64 %spins) nounwind {
entry:
  br label %spin
spin:
  %seen = phi i64 [%seen0, %entry], [%seen, %idle], [%g, %left]
  %i = phi i64 [0, %entry], [%i1, %idle], [0, %left]
  %w = load atomic i64, ptr %s acquire, align 8
  %g = lshr i64 %w, 16
  %open = trunc i64 %w to i1
  %new = icmp ne i64 %g, %seen
  %go = and i1 %open, %new
  br i1 %go, label %join, label %idle
join:
  %in = add i64 %w, 2
  %pair = cmpxchg ptr %s, i64 %w, i64 %in acq_rel acquire, align 8
  %ok = extractvalue {i64, i1} %pair, 1
  br i1 %ok, label %work, label %idle
work:
  call void @drain(ptr %s, i64 %thread)
  br label %left
left:
  %out = atomicrmw sub ptr %s, i64 2 release
  br label %spin
idle:
  %i1 = add i64 %i, 1
  PAUSE
  %tired = icmp sge i64 %i1, %spins
  br i1 %tired, label %sleep, label %spin
sleep:
  ret i64 %seen
}
"""
_PAUSE = {"x86_64": "call void @llvm.x86.sse2.pause()", "aarch64": "call void @llvm.aarch64.hint(i32 1)"}


class _Pool:
    """Threads that wait for calls; `size` counts the caller's."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = (ctypes.c_int64 * (_SIZE + 8))()  # never freed: the threads look at it for ever
        start = ctypes.addressof(self._memory)
        self.state = start + -start % 64
        self.lock = threading.Lock()  # held during a call
        self._asleep = [False] * size
        self._beds = [allocate_lock() for _ in range(size)]
        self._closed = False
        self._threads: list[threading.Thread] = []
        call, help_ = _functions()
        self.call = call
        for index in range(1, size):
            self._beds[index].acquire()
            thread = threading.Thread(target=self._work, args=(index, help_), name=f"sevenloops-{index}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is closing down: those there are do the work
                break
            self._threads.append(thread)

    def _work(self, index: int, help_: Any) -> None:
        seen = 0
        while not self._closed:
            seen = help_(self.state, index, seen, _SPINS)
            self._asleep[index] = True
            if not self._closed:  # who closes it after this looks for those that sleep
                self._beds[index].acquire()

    def wake(self) -> None:
        """Wake those that sleep; one that falls asleep at this moment misses the call, which does without it."""
        if True in self._asleep:
            for index, asleep in enumerate(self._asleep):
                if asleep:
                    self._asleep[index] = False
                    with suppress(RuntimeError):  # woken by another thread at this moment
                        self._beds[index].release()

    def close(self) -> None:
        """Let the threads end."""
        self._closed = True
        self.wake()


_pool: _Pool | None = None
_making = threading.Lock()
_plain: dict[int, Any] = {}  # kernels as functions, by their addresses


def run(kernel: int, args: Any, items: int, grain: int, threads: int) -> None:
    """Call a kernel for all items, on as many threads; where another call is on the pool, on this thread alone.

    Parameters
    ----------
    kernel : int
        The address of the machine code.
    args : ctypes array or bytes
        Its arguments.
    items, grain : int
        How many items there are, and how many a thread takes at a time.
    threads : int
        At most; kernels are given thread numbers below it.
    """
    if threads > 1 and items > grain:
        pool = _pool  # read once: another thread may exchange it for one with more threads than the arguments allow
        if pool is None or pool.size != threads:
            pool = _make(threads)
        if pool.lock.acquire(blocking=False):
            try:
                pool.wake()
                pool.call(pool.state, kernel, args, items, grain)
            finally:
                pool.lock.release()
            return
    function = _plain.get(kernel)
    if function is None:
        function = _plain[kernel] = compiler.Kernel(kernel)
    function(args, 0, items, 0)


def _make(threads: int) -> _Pool:
    global _pool
    with _making:
        if _pool is None or _pool.size != threads:
            if _pool is not None:
                _pool.close()
            _pool = _Pool(threads)
        return _pool


def _functions() -> tuple[Any, Any]:
    """Return the functions of the caller and of the others."""
    pause = _PAUSE.get({"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine()), "")
    text = _TEXT.replace("NAME", "pool").replace("PAUSE", pause)
    addresses = compiler.load_functions("pool", ("pool_call", "pool_help"), lambda: text)
    p, i = ctypes.c_void_p, ctypes.c_int64
    return ctypes.CFUNCTYPE(None, p, p, p, i, i)(addresses[0]), ctypes.CFUNCTYPE(i, p, i, i, i)(addresses[1])


def _forget() -> None:
    """Drop what a forked child has of its parent's threads."""
    global _pool, _making
    _pool = None
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
