"""Sharing work among threads: every item once, whatever happens."""

import contextlib
import gc
import threading
import time
import weakref
from contextvars import ContextVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops import runtime
from tests.helpers.threads import WAIT, Library, from_many_threads, own_blas, run, wait_until


@pytest.fixture
def blas():
    library = Library(8)
    with own_blas(library):
        yield library


# --- parallel: every item once ------------------------------------------------------------------------------------


def check_every_item_once(count=50, at_once=None):
    done = []
    runtime.parallel(done.append, range(count), at_once)
    assert sorted(done) == list(range(count))


@given(count=st.integers(0, 40), threads=st.integers(1, 5), at_once=st.none() | st.integers(0, 50))
def test_every_item_once(count, threads, at_once):
    library = Library(8)
    with own_blas(library, threads=threads):
        check_every_item_once(count, at_once)
    assert library.threads == 8


@pytest.mark.parametrize("count", [2, 4])
def test_calls_run_at_the_same_time_with_blas_held(blas, count):
    meeting = threading.Barrier(count)
    seen = []

    def meet(item):
        meeting.wait(WAIT)  # broken unless `count` threads are here
        seen.append(blas.threads)

    runtime.parallel(meet, iter(range(2 * count)), at_once=count)
    assert seen == [1] * (2 * count)
    assert blas.threads == 8


@pytest.mark.parametrize(("threads", "at_once", "most"), [(4, 2, 2), (2, None, 2), (2, 9, 2), (4, 1, 1), (4, 0, 1)])
def test_no_more_calls_at_once_than_allowed(blas, threads, at_once, most):
    sl.set_num_threads(threads)
    lock = threading.Lock()
    running, highest = 0, 0

    def call(item):
        nonlocal running, highest
        with lock:
            running += 1
            highest = max(highest, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    runtime.parallel(call, range(24), at_once)
    assert 1 <= highest <= most


def test_without_a_hold_on_blas_items_run_in_order_here():
    seen = []
    with own_blas():
        assert not runtime.blas_is_held()
        runtime.parallel(lambda item: seen.append((item, threading.current_thread())), range(30))
    assert seen == [(item, threading.current_thread()) for item in range(30)]


def test_without_threadpoolctl():
    code = """
import sys
sys.modules["threadpoolctl"] = None
import threading
import numpy as np, sevenloops as sl
from sevenloops import runtime
y = sl.conv2d(np.ones((8, 16, 40, 40)), np.ones((16, 16, 3, 3)), algorithm="im2col-lazy")
print(runtime.blas_is_held(), sl.get_num_threads(), threading.active_count(), (y == 144).all())
"""
    assert run(code, SEVENLOOPS_NUM_THREADS="4") == ["False", "4", "1", "True"]


def test_calls_see_the_context_of_the_caller(blas):
    """In a pool thread NumPy would warn of what the caller has said to ignore, and warnings are errors here."""
    variable = ContextVar("variable", default="lost")
    meeting = threading.Barrier(4)
    seen = []

    def call(item):
        meeting.wait(WAIT)
        np.ones(3) / np.zeros(3)
        seen.append((variable.get(), threading.current_thread()))

    token = variable.set("kept")
    with np.errstate(divide="ignore"):
        runtime.parallel(call, range(4))
    variable.reset(token)
    assert {value for value, _ in seen} == {"kept"}
    assert len({thread for _, thread in seen}) == 4


# --- parallel: exceptions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, StopIteration, IndexError, KeyboardInterrupt])
@pytest.mark.parametrize("in_caller", [True, False])
def test_an_exception_waits_for_started_calls_and_starts_no_more(blas, in_caller, kind):
    sl.set_num_threads(2)
    caller = threading.current_thread()
    meeting = threading.Barrier(2)
    started, ended = [], []

    def call(item):
        started.append(item)
        meeting.wait(WAIT)
        if (threading.current_thread() is caller) == in_caller:
            raise kind("rule")
        time.sleep(0.05)
        ended.append(item)

    with pytest.raises(kind, match="rule"):
        runtime.parallel(call, range(50))
    assert sorted(started) == [0, 1]
    assert len(ended) == 1
    assert blas.threads == 8
    check_every_item_once()


@pytest.mark.parametrize("first_in_caller", [True, False])
def test_the_first_exception_counts(blas, first_in_caller):
    sl.set_num_threads(2)
    caller = threading.current_thread()
    meeting = threading.Barrier(2)
    raising = threading.Event()

    def call(item):
        meeting.wait(WAIT)
        if (threading.current_thread() is caller) == first_in_caller:
            raising.set()
            raise ValueError("first")
        raising.wait(WAIT)
        time.sleep(0.05)
        raise ValueError("second")

    with pytest.raises(ValueError, match="first"):
        runtime.parallel(call, range(50))


@pytest.mark.parametrize("in_caller", [True, False])
def test_what_a_failed_call_held_is_freed_at_once(blas, in_caller):
    """Not only when the garbage collector comes by: who runs out of memory wants to try again with less."""
    caller = threading.current_thread()
    meeting = threading.Barrier(4)

    def attempt():
        array = np.ones(3)
        gone = weakref.ref(array)

        def call(item):
            meeting.wait(WAIT)
            if (threading.current_thread() is caller) == in_caller:
                raise MemoryError(len(array))

        with contextlib.suppress(MemoryError):
            runtime.parallel(call, range(4))
        return gone

    gc.disable()
    try:
        gone = attempt()
        wait_until(lambda: gone() is None)
    finally:
        gc.enable()


def test_what_waits_for_a_thread_that_comes_late_keeps_no_array(blas, monkeypatch):
    """On a busy machine the caller has done all by itself before another thread is awake."""
    late = []
    monkeypatch.setattr(runtime, "_submit", late.append)
    array = np.ones(3)
    gone = weakref.ref(array)
    done = []
    runtime.parallel(lambda item, array=array: done.append(item + array.size), range(4))
    assert (sorted(done), len(late) > 0) == ([3, 4, 5, 6], True)
    del array
    assert gone() is None
    for help_out in late:  # they find nothing to do
        help_out()
    assert len(done) == 4


# --- parallel: calls within calls, and from everywhere ------------------------------------------------------------


def test_calls_within_calls_do_not_wait_for_each_other():
    """In a process of its own: what waits for itself would wait for ever."""
    code = """
import sevenloops as sl
from sevenloops import runtime
from types import SimpleNamespace
library = SimpleNamespace(get_num_threads=lambda: 8, set_num_threads=lambda n: None)
runtime._blas_controllers = lambda: (library,)
sl.set_num_threads(3)
done = []
def outer(i):
    runtime.parallel(lambda j: runtime.parallel(lambda k: done.append((i, j, k)), range(4)), range(4))
for _ in range(20):
    done.clear()
    runtime.parallel(outer, range(4))
    assert sorted(done) == [(i, j, k) for i in range(4) for j in range(4) for k in range(4)]
print("done")
"""
    assert run(code) == ["done"]


def test_a_call_within_a_call_stays_in_its_thread(blas):
    seen = []

    def outer(item):
        here = threading.current_thread()
        runtime.parallel(lambda _: seen.append(threading.current_thread() is here), range(10))

    runtime.parallel(outer, range(8))
    assert seen == [True] * 80
    meeting = threading.Barrier(4)
    runtime.parallel(lambda _: meeting.wait(WAIT), range(4))  # the thread that called is free again


def test_calls_from_several_threads(blas):
    def call_often():
        for _ in range(30):
            check_every_item_once()

    from_many_threads(call_often)
    assert blas.threads == 8


def test_the_number_of_threads_changes_while_calls_are_under_way(blas):
    stop = threading.Event()

    def change():
        count = 0
        while not stop.is_set():
            count += 1
            sl.set_num_threads(1 + count % 4)
            time.sleep(0.0002)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        from_many_threads(lambda: [check_every_item_once() for _ in range(50)], count=4)
    finally:
        stop.set()
        changing.join(WAIT)
    assert blas.threads == 8


def test_threads_that_are_no_longer_wanted_end(blas):
    def pool_threads():
        return [thread for thread in threading.enumerate() if thread.name.startswith("sevenloops_")]

    meeting = threading.Barrier(4)
    runtime.parallel(lambda _: meeting.wait(WAIT), range(4))
    assert len(pool_threads()) >= 3
    sl.set_num_threads(1)
    wait_until(lambda: not pool_threads())


# --- parallel: where threads cannot be had ------------------------------------------------------------------------


@pytest.fixture
def no_new_threads(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


def test_no_thread_can_start(blas, no_new_threads):
    for _ in range(3):
        check_every_item_once()

    def attempt():
        array = np.ones(3)
        runtime.parallel(lambda _: array.sum(), range(4))
        return weakref.ref(array)

    assert attempt()() is None  # nothing waits for a thread that never comes


def test_a_call_that_an_earlier_thread_takes_late_is_waited_for(blas, monkeypatch):
    """The pool keeps what it was given before it failed to start a thread, and a thread of another call takes it."""
    busy, release, begun = threading.Event(), threading.Event(), threading.Event()
    ended = []

    def occupy(item):
        if item:
            busy.set()
        assert release.wait(WAIT)

    other = threading.Thread(target=runtime.parallel, args=(occupy, range(2), 2))
    other.start()
    assert busy.wait(WAIT)

    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)

    def call(item):
        if threading.current_thread() is threading.main_thread():
            release.set()
            begun.wait(1)
        else:
            begun.set()
            time.sleep(0.1)
        ended.append(item)

    runtime.parallel(call, range(2), at_once=2)
    assert sorted(ended) == [0, 1]
    other.join(WAIT)


def test_while_the_interpreter_closes_down():
    code = """
import atexit, threading, time
import numpy as np, sevenloops as sl
def work(name):
    y = sl.conv2d(np.ones((8, 16, 40, 40)), np.ones((16, 16, 3, 3)), algorithm="im2col-lazy")
    print(name, (y == 144).all(), flush=True)
def late():
    threading.main_thread().join()
    time.sleep(0.05)
    work("thread")
work("main")
atexit.register(work, "exit")
threading.Thread(target=late).start()
"""
    assert run(code, SEVENLOOPS_NUM_THREADS="3") == ["main", "True", "thread", "True", "exit", "True"]


def test_a_platform_without_threads():
    code = """
import sys, threading
import numpy as np
sys.platform = "emscripten"
def start(thread):
    raise AssertionError("a thread was started")
threading.Thread.start = start
import sevenloops as sl
from sevenloops import runtime
print(sl.get_num_threads())
sl.set_num_threads(3)
print(sl.get_num_threads())
x, weight = np.ones((8, 16, 40, 40)), np.ones((16, 16, 3, 3))
print(sl.plan_conv2d(x, weight).problem.threads)
print((sl.conv2d(x, weight, algorithm="im2col-lazy") == 144).all())
done = []
runtime.parallel(done.append, range(5))
print(done == [0, 1, 2, 3, 4])
"""
    assert run(code, SEVENLOOPS_NUM_THREADS="4") == ["1", "1", "1", "True", "True"]
