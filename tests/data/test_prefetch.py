import contextlib
import gc
import os
import threading
import time
import traceback
import weakref
from contextvars import ContextVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.data import Loader
from sevenloops.data.prefetch import THREAD_NAME, prepare_ahead
from tests.helpers.threads import in_child, run, wait_until


def threads():
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    wait_until(lambda: not threads())  # those of other tests
    yield
    wait_until(lambda: not threads())


class Maker:
    """Makes an array of each number, and remembers which, in which threads, and how many are out."""

    def __init__(self):
        self.made, self.threads = [], set()
        self.alive = weakref.WeakSet()

    def __call__(self, number):
        array = np.full(3, number).view(Noted)
        self.made.append(number)
        self.threads.add(threading.current_thread())
        self.alive.add(array)
        return array


class Noted(np.ndarray):
    """An array that a WeakSet can hold."""

    __hash__ = object.__hash__


@given(numbers=st.lists(st.integers(0, 99), max_size=20), depth=st.integers(0, 25))
def test_everything_comes_once_and_in_order(numbers, depth):
    assert list(prepare_ahead(lambda number: number + 1, numbers, depth)) == [number + 1 for number in numbers]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_as_many_are_prepared_ahead_as_asked_for_and_no_more(depth):
    make = Maker()
    iterator = prepare_ahead(make, range(100), depth)
    for taken in range(1, 5):
        next(iterator)
        wait_until(lambda: len(make.made) == taken + depth)  # noqa: B023
        time.sleep(0.02)
        assert make.made == list(range(taken + depth))
    assert len(make.alive) == depth  # those handed out belong to the caller alone
    (worker,) = make.threads
    assert worker is not threading.current_thread()
    assert worker.daemon
    iterator.close()


def test_nothing_starts_before_it_is_asked_for():
    make = Maker()
    iterator = prepare_ahead(make, range(10), 2)
    assert not threads()
    del iterator
    assert not make.made


def abandon_by_close(iterator):
    iterator.close()


def abandon_by_break(iterator):
    for _ in iterator:
        break


def abandon_by_interrupt(iterator):
    with contextlib.suppress(KeyboardInterrupt):
        for _ in iterator:
            raise KeyboardInterrupt


def abandon_by_interrupt_while_waiting(iterator):
    with pytest.raises(KeyboardInterrupt):
        iterator.throw(KeyboardInterrupt)


def abandon_in_a_cycle(iterator):
    cycle = [iterator]
    cycle.append(cycle)


@pytest.mark.parametrize(
    "abandon",
    [
        abandon_by_close,
        abandon_by_break,
        abandon_by_interrupt,
        abandon_by_interrupt_while_waiting,
        abandon_in_a_cycle,
    ],
)
def test_the_thread_ends_with_its_iterator(abandon):
    make = Maker()
    iterator = prepare_ahead(make, range(1000), 3)
    next(iterator)
    assert len(threads()) == 1
    abandon(iterator)
    del iterator
    gc.collect()
    wait_until(lambda: not threads())
    assert len(make.made) <= 6
    assert not make.alive


def test_a_collection_in_the_thread_itself_ends_it():
    def make(number):
        if number == 3:
            wait_until(lambda: abandoned)
            gc.collect()
        return number

    abandoned = []
    gc.disable()
    try:
        iterator = prepare_ahead(make, range(1000), 3)
        next(iterator)
        cycle = [iterator]
        cycle.append(cycle)
        del iterator, cycle
        abandoned.append(True)
        wait_until(lambda: not threads())
    finally:
        gc.enable()


def test_an_error_comes_out_in_its_place_and_with_its_traceback():
    def fail(number):
        if number == 2:
            raise LookupError("no such image")
        return number

    iterator = prepare_ahead(fail, range(5), 5)
    assert [next(iterator), next(iterator)] == [0, 1]
    with pytest.raises(LookupError, match="no such image") as caught:
        next(iterator)
    assert "fail" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert list(iterator) == []


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_errors_of_every_kind_come_out(depth, error):
    def fail(number):
        raise error

    with pytest.raises(error):
        next(prepare_ahead(fail, range(5), depth))


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_that_would_end_a_loop_in_silence_does_not(depth):
    def fail(number):
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(prepare_ahead(fail, range(5), depth))


def test_the_thread_sees_the_context():
    variable = ContextVar("variable", default="outside")

    def look(number):
        return variable.get(), np.geterr()["over"]

    token = variable.set("inside")
    with np.errstate(over="raise"):
        assert list(prepare_ahead(look, range(2), 1)) == [("inside", "raise")] * 2
    variable.reset(token)
    assert [value for value, _ in prepare_ahead(look, range(1), 1)] == ["outside"]


def test_without_threads_batches_are_made_when_they_are_asked_for(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    make = Maker()
    for number, array in enumerate(prepare_ahead(make, range(5), 3)):
        assert array[0] == number
        assert len(make.made) == number + 1
    assert make.threads == {threading.current_thread()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_goes_on_without_the_thread():
    iterator = prepare_ahead(lambda number: number, range(20), 3)
    next(iterator)
    assert in_child(lambda: list(iterator)) == list(range(1, 20))
    assert list(iterator) == list(range(1, 20))


LEFT_OPEN = """
import sys, time
import numpy as np
from sevenloops.data import Loader

def transform(images, rng):
    for _ in range(50):
        images = images + rng.random(images.shape, np.float32)
    return images

loader = Loader(np.zeros((4000, 1, 28, 28), np.float32), np.zeros(4000, int), 64, transform=transform, prefetch=3)
iterator = iter(loader)
next(iterator)
print("ended")
"""


@pytest.mark.parametrize(
    "ending", ["", "cycle = [iterator]; cycle.append(cycle)", "def f(i=iterator): yield\nf = f()"]
)
def test_the_interpreter_ends_in_mid_epoch(ending):
    began = time.monotonic()
    assert run(LEFT_OPEN + ending) == ["ended"]
    assert time.monotonic() - began < 10


INTERRUPTED = """
import os, signal, threading
import numpy as np
from sevenloops.data import Loader

def transform(images, rng):
    if numbers.pop() == 0:
        os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C does: to the process
        answers.append(released.wait(20))
    return images

numbers, answers, released = [1, 1, 0, 1, 1], [], threading.Event()
loader = Loader(np.zeros((50, 1, 2, 2), np.float32), np.zeros(50, int), 10, transform=transform, prefetch=1)
try:
    for _ in loader:
        pass
except KeyboardInterrupt:
    released.set()
    print("interrupted", loader.batch)
for thread in threading.enumerate()[1:]:
    thread.join()
print(*answers)
"""


@pytest.mark.skipif(os.name == "nt", reason="a lock cannot be interrupted there")
def test_an_interrupt_does_not_wait_for_what_is_being_prepared():
    assert run(INTERRUPTED) == ["interrupted", "2", "True"]


def test_many_loaders_in_turn_leave_no_thread():
    images, labels = np.zeros((40, 1, 2, 2), np.uint8), np.zeros(40, int)
    loader = Loader(images, labels, 4, shuffle=True, prefetch=2)
    for stop_after in range(11):
        for number, _ in enumerate(loader, 1):
            if number == stop_after:
                break
        assert len(threads()) <= 1
        wait_until(lambda: not threads())


def test_two_iterators_of_one_loader_have_a_thread_each():
    loader = Loader(np.zeros((40, 1, 2, 2), np.uint8), np.arange(40), 4, prefetch=2)
    with contextlib.closing(iter(loader)) as one, contextlib.closing(iter(loader)) as other:
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a[1], b[1])
            assert len(threads()) <= 2


def test_what_has_ended_is_not_kept_for_the_end_of_the_interpreter():
    ended = []

    def make(number):
        ended.append(weakref.ref(threading.current_thread()))
        return number

    assert list(prepare_ahead(make, range(5), 2)) == list(range(5))
    wait_until(lambda: gc.collect() >= 0 and not any(thread() for thread in ended))
    assert len(ended) == 5
