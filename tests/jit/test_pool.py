"""The threads of machine code: whoever calls, from wherever, gets the same bits, and nothing hangs."""

import os
import threading
import time

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import runtime
from tests.helpers.threads import from_many_threads, in_child, run

pytest.importorskip("llvmlite")

from sevenloops.jit import pool

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

RNG = np.random.default_rng(1)
LAYERS = [
    (RNG.standard_normal(x, dtype=np.float32), RNG.standard_normal(w, dtype=np.float32), stride)
    for x, w, stride in [
        ((4, 16, 30, 31), (24, 16, 3, 3), 1),
        ((2, 64, 14, 14), (96, 64, 3, 3), 2),
        ((3, 7, 40, 9), (5, 7, 2, 3), 1),
        ((1, 128, 20, 20), (256, 128, 1, 1), 1),
    ]
]


def passes(layer):
    """Return the bytes of all three results of a layer."""
    x, w, stride = LAYERS[layer]
    options = {"padding": 1, "stride": stride, "algorithm": "direct"}
    y = sl.conv2d(x, w, **options)
    dx = sl.conv2d_input_grad(y, w, x.shape, **options)
    dw = sl.conv2d_weight_grad(y, x, w.shape[2:], **options)
    return [array.tobytes() for array in (y, dx, dw)]


@pytest.fixture(autouse=True)
def three_threads():
    before = sl.get_num_threads()
    sl.set_num_threads(3)
    yield
    sl.set_num_threads(before)


@pytest.mark.parametrize("layer", range(len(LAYERS)))
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_bits_are_the_same_from_call_to_call(layer, threads):
    sl.set_num_threads(threads)
    first = passes(layer)
    for _ in range(20):
        assert passes(layer) == first


def test_many_threads_get_the_bits_of_one_call_after_another():
    expected = [passes(layer) for layer in range(len(LAYERS))]

    def work():
        for _ in range(5):
            for layer in range(len(LAYERS)):
                assert passes(layer) == expected[layer]

    from_many_threads(work, 6)


def test_the_number_of_threads_may_change_during_calls():
    """Each call computes with the number that it was planned for, so a result is one of those of the numbers."""
    expected = []
    for threads in (1, 2, 3, 5):
        sl.set_num_threads(threads)
        expected.append([passes(layer) for layer in range(len(LAYERS))])
    stop = threading.Event()

    def change():
        number = 0
        while not stop.is_set():
            sl.set_num_threads((1, 2, 3, 5)[number % 4])
            number += 1
            time.sleep(1e-4)

    changer = threading.Thread(target=change)
    changer.start()

    def work():
        for _ in range(10):
            for layer in range(len(LAYERS)):
                for index, result in enumerate(passes(layer)):
                    assert any(result == of[layer][index] for of in expected) or index  # gradients are of that result

    try:
        from_many_threads(work, 4)
    finally:
        stop.set()
        changer.join()


def test_threads_of_old_pools_end():
    before = threading.active_count()
    for threads in [2, 3, 4, 5] * 10:
        sl.set_num_threads(threads)
        passes(0)
    deadline = time.monotonic() + 20
    while threading.active_count() > before + 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_pool_that_another_thread_exchanges_is_not_used(monkeypatch):
    """The threads of a larger one would write beyond the workspaces of a call for a smaller one."""
    seen = []

    class Spy:
        def __init__(self, size):
            self.size, self.state = size, 0
            self.lock = threading.Lock()

        def wake(self):
            pass

        def close(self):
            pass

        def call(self, *arguments):
            seen.append(self.size)

    class Exchanging:
        """Every look at the size lets another thread in, which makes a larger pool."""

        def __init__(self):
            self.lock, self.state = threading.Lock(), 0
            self.wake = self.close = lambda: None
            self.call = lambda *arguments: seen.append(2)

        @property
        def size(self):
            pool._pool = Spy(9)
            return 2

    monkeypatch.setattr(pool, "_pool", Exchanging())
    pool.run(0, 0, 100, 1, 2)
    assert seen == [2]


def test_within_the_other_pool():
    """Calls made from several threads of `runtime.parallel` at once."""
    expected = [passes(layer) for layer in range(len(LAYERS))]
    results = [None] * 12

    def work(item):
        results[item] = passes(item % len(LAYERS))

    runtime.parallel(work, range(12))
    assert results == [expected[item % len(LAYERS)] for item in range(12)]


def test_without_new_threads_the_work_is_done(monkeypatch):
    expected = passes(0)

    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool, "_pool", None)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert passes(0) == expected
    pool._pool.close()


# --- forks --------------------------------------------------------------------------------------------------------


@needs_fork
def test_a_child_computes_the_same():
    expected = passes(0)
    for _ in range(5):
        assert in_child(lambda: passes(0) == expected)
        assert passes(0) == expected


@needs_fork
def test_a_child_of_a_parent_that_has_not_computed():
    code = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import sevenloops as sl
x, w = np.ones((2, 8, 20, 20), np.float32), np.ones((16, 8, 3, 3), np.float32)
child = os.fork()
y = sl.conv2d(x, w, algorithm="direct")
assert (y == 72).all()
if child == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code, SEVENLOOPS_NUM_THREADS="3") == ["0"]


@needs_fork
def test_children_of_a_parent_that_computes_at_this_moment():
    expected = [passes(layer) for layer in range(len(LAYERS))]
    stop = threading.Event()
    workers = [
        threading.Thread(target=lambda layer=layer: [passes(layer) for _ in iter(stop.is_set, True)])
        for layer in range(2)
    ]
    for worker in workers:
        worker.start()
    try:
        for number in range(10):
            layer = number % len(LAYERS)
            assert in_child(lambda layer=layer: passes(layer) == expected[layer])
            assert passes(layer) == expected[layer]
    finally:
        stop.set()
        for worker in workers:
            worker.join()


@needs_fork
def test_a_child_of_a_parent_that_compiles_at_this_moment(tmp_path):
    """LLVM must not be copied in the middle of something, nor the lock of who uses it."""
    code = """
import os, threading, time, warnings
warnings.simplefilter("ignore")
import numpy as np
import sevenloops as sl
from sevenloops.jit import compiler

def compute(first):
    for channels in range(first, first + 4):
        x, w = np.ones((1, channels, 9, 9), np.float32), np.ones((channels + 1, channels, 3, 3), np.float32)
        assert (sl.conv2d(x, w, algorithm="direct") == 9 * channels).all()

compute(1)  # imports what it needs: a module that is being imported at the fork is none of ours
real, compiling = compiler._compile, threading.Event()

def slow(text):
    compiling.set()
    time.sleep(0.1)
    return real(text)

compiler._compile = slow
worker = threading.Thread(target=compute, args=(20,))
worker.start()
codes = []
for number in range(3):
    compiling.clear()
    compiling.wait(5)
    child = os.fork()
    if child == 0:
        compute(30 + number)
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
worker.join()
print(*codes)
"""
    assert run(code, SEVENLOOPS_CACHE=str(tmp_path), SEVENLOOPS_NUM_THREADS="2") == ["0"] * 3


# --- the end of the process ---------------------------------------------------------------------------------------

_START = """
import atexit, sys, threading, time
import numpy as np
import sevenloops as sl
x, w = np.ones((2, 8, 20, 20), np.float32), np.ones((16, 8, 3, 3), np.float32)

def call():
    assert (sl.conv2d(x, w, algorithm="direct") == 72).all()
"""


@pytest.mark.parametrize(
    "end",
    {
        "right after a call": "call()",
        "after a sleep": "call(); time.sleep(0.01)",
        "an exception": "call()\ntry:\n    raise ValueError\nfinally:\n    call(); sys.exit(0)",
        "a call at exit": "atexit.register(call); call()",
        "the first call at exit": "atexit.register(call)",
        "a thread that goes on": (
            "def loop():\n    while True: call()\n"
            "call()\nfor _ in range(2): threading.Thread(target=loop, daemon=True).start()\ntime.sleep(0.01)"
        ),
        "several pools": "call(); sl.set_num_threads(2); call(); sl.set_num_threads(4); call()",
    }.items(),
    ids=lambda item: item[0],
)
def test_the_process_ends(end):
    for _ in range(2):
        assert run(_START + end[1], SEVENLOOPS_NUM_THREADS="3") == []
