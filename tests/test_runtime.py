"""The hold on BLAS, forks, the number of threads, folders and memory."""

import ast
import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops import runtime
from tests.helpers.threads import WAIT, Library, from_many_threads, in_child, own_blas


@pytest.fixture
def blas():
    library = Library(8)
    with own_blas(library):
        yield library


# --- the hold on BLAS ---------------------------------------------------------------------------------------------


def test_holds_are_counted():
    one, other = Library(8), Library(3)
    with own_blas(one, other):
        with runtime.single_threaded_blas() as outer:
            assert outer is True
            assert (one.threads, other.threads) == (1, 1)
            with runtime.single_threaded_blas() as inner:
                assert inner is True
            assert (one.threads, other.threads) == (1, 1)
        assert (one.threads, other.threads) == (8, 3)
        one.threads = 5  # what is set in between is what comes back
        with runtime.single_threaded_blas():
            assert (one.threads, other.threads) == (1, 1)
        assert (one.threads, other.threads) == (5, 3)


@given(leaving=st.permutations(range(4)))
def test_the_last_to_leave_gives_the_threads_back(leaving):
    library = Library(8)
    entered = threading.Barrier(5)
    doors = [threading.Event() for _ in leaving]

    def hold(number):
        with runtime.single_threaded_blas():
            entered.wait(WAIT)
            doors[number].wait(WAIT)

    with own_blas(library):
        holders = [threading.Thread(target=hold, args=(number,)) for number in range(4)]
        for holder in holders:
            holder.start()
        entered.wait(WAIT)
        for number in leaving:
            assert library.threads == 1
            doors[number].set()
            holders[number].join(WAIT)
    assert library.threads == 8


def test_an_exception_ends_the_hold(blas):
    with pytest.raises(KeyError), runtime.single_threaded_blas(), runtime.single_threaded_blas():
        raise KeyError
    assert blas.threads == 8


class SlowLibrary(Library):
    """One that leaves time for others to come in between."""

    def set_num_threads(self, threads):
        time.sleep(2e-4)
        super().set_num_threads(threads)


def test_holds_of_many_threads():
    library = SlowLibrary(8)

    def hold_often():
        for _ in range(50):
            with runtime.single_threaded_blas():
                assert library.threads == 1
            time.sleep(1e-5)

    with own_blas(library):
        from_many_threads(hold_often, count=3)
    assert library.threads == 8


class OwnedLibrary(Library):
    """One that obeys the first thread that asks, and nobody else until that one gives it up."""

    owner = None

    def set_num_threads(self, threads):
        self.owner = self.owner or threading.current_thread()
        if self.owner is threading.current_thread():
            super().set_num_threads(threads)

    def clear_controlling_thread(self, force=False):
        if force or self.owner is threading.current_thread():
            self.owner = None


def test_a_hold_in_one_thread_after_a_setting_in_another():
    library = OwnedLibrary(3)
    library.set_num_threads(8)
    seen = []

    def hold():
        with runtime.single_threaded_blas():
            seen.append(library.threads)

    with own_blas(library):
        for _ in range(2):
            from_many_threads(hold, count=3)
            assert library.threads == 8
    assert seen == [1] * 6
    library.set_num_threads(5)  # nobody is kept from it
    assert library.threads == 5


@pytest.mark.parametrize(
    ("kinds", "count"),
    [
        ([("openblas", "pthreads")], 1),
        ([("mkl", "intel"), ("openblas", "pthreads"), ("blis", "openmp")], 3),
        ([("openblas", "openmp")], 0),
        ([("mkl", "gnu"), ("openblas", "openmp")], 0),
        ([], 0),
    ],
)
def test_a_blas_with_a_setting_for_each_thread_cannot_be_held(monkeypatch, kinds, count):
    libraries = [SimpleNamespace(internal_api=api, threading_layer=layer) for api, layer in kinds]
    controller = SimpleNamespace(select=lambda user_api: SimpleNamespace(lib_controllers=libraries))
    monkeypatch.setitem(sys.modules, "threadpoolctl", SimpleNamespace(ThreadpoolController=lambda: controller))
    assert runtime._blas_controllers.__wrapped__() == tuple(libraries[:count])


def test_where_no_blas_can_be_held():
    with own_blas(), runtime.single_threaded_blas() as held:
        assert held is False


def test_the_blas_of_numpy_is_held():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def counts():
        return [info["num_threads"] for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]

    if not counts():
        pytest.skip("threadpoolctl does not know the BLAS of this NumPy")
    if not runtime.blas_is_held():
        pytest.skip("this BLAS cannot be held")

    def hold():
        with runtime.single_threaded_blas() as held:
            assert held
            assert set(counts()) == {1}

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = counts()
        hold()
        assert counts() == before
        from_many_threads(hold, count=1)
        assert counts() == before


# --- forks ----------------------------------------------------------------------------------------------------------

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


def meet_in_pool():
    meeting = threading.Barrier(4)
    done = []

    def meet(item):
        meeting.wait(WAIT)
        done.append(item)

    runtime.parallel(meet, range(8))
    return sorted(done)


@forks
def test_a_forked_child_has_a_pool_of_its_own(blas):
    assert meet_in_pool() == list(range(8))
    assert in_child(lambda: [meet_in_pool(), blas.threads]) == [list(range(8)), 8]
    assert meet_in_pool() == list(range(8))


@forks
def test_a_fork_while_another_thread_computes(blas):
    begun, release = threading.Event(), threading.Event()

    def call(item):
        begun.set()
        assert release.wait(WAIT)

    other = threading.Thread(target=runtime.parallel, args=(call, range(4)))
    other.start()
    assert begun.wait(WAIT)
    try:
        assert blas.threads == 1
        in_the_child = in_child(lambda: [blas.threads, meet_in_pool(), blas.threads])
    finally:
        release.set()
        other.join(WAIT)
    assert in_the_child == [8, list(range(8)), 8]  # the other thread, which held BLAS, is not there
    assert blas.threads == 8


@forks
@pytest.mark.parametrize("lock", ["_lock", "_blas_lock"])
def test_a_fork_while_another_thread_has_a_lock(blas, lock):
    with getattr(runtime, lock):
        assert in_child(meet_in_pool) == list(range(8))


@forks
def test_a_fork_within_a_hold(blas):
    def child():
        seen = [blas.threads]
        holding.close()
        seen.append(blas.threads)
        with runtime.single_threaded_blas():
            seen.append(blas.threads)
        return [*seen, blas.threads]

    holding = contextlib.ExitStack()
    with holding:
        holding.enter_context(runtime.single_threaded_blas())
        assert in_child(child) == [1, 8, 1, 8]
        assert blas.threads == 1
    assert blas.threads == 8


@forks
def test_a_forked_child_convolves():
    x, weight = np.ones((8, 16, 40, 40)), np.ones((16, 16, 3, 3))

    def convolve():
        return bool((sl.conv2d(x, weight, algorithm="im2col-lazy") == 144).all())

    assert convolve()
    assert in_child(convolve)
    assert convolve()


# --- the number of threads ----------------------------------------------------------------------------------------


@pytest.fixture
def at_start(blas, monkeypatch):
    """Return what get_num_threads says in a process that has set nothing, for a value of the variable."""

    def number(text):
        monkeypatch.setattr(runtime, "_threads", None)
        runtime._threads_at_start.cache_clear()
        if text is None:
            monkeypatch.delenv("SEVENLOOPS_NUM_THREADS", raising=False)
        else:
            monkeypatch.setenv("SEVENLOOPS_NUM_THREADS", text)
        return sl.get_num_threads()

    yield number
    runtime._threads_at_start.cache_clear()


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("3", 3), (" 12 ", 12)])
def test_the_variable_says_how_many(at_start, text, number):
    assert at_start(text) == number


@pytest.mark.parametrize("text", ["0", "-1"])
def test_the_variable_says_too_few(at_start, text):
    with pytest.raises(ValueError, match=rf"^SEVENLOOPS_NUM_THREADS must be at least 1 thread, but got {text}\.$"):
        at_start(text)


@pytest.mark.parametrize("text", ["two", "2.5", "1e1", "-"])
def test_the_variable_says_nothing_sensible(at_start, text):
    with pytest.raises(ValueError, match=rf"^SEVENLOOPS_NUM_THREADS must be a whole .* is '{text}'; unset it"):
        at_start(text)
    sl.set_num_threads(2)  # what is said in the code goes before what is said around it
    assert sl.get_num_threads() == 2


@pytest.mark.parametrize("text", [None, ""])
def test_otherwise_as_many_as_the_process_may_use(at_start, monkeypatch, text):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert at_start(text) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert at_start(text) == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert at_start(text) == 1


@pytest.mark.parametrize("number", [1, 9, np.int64(3), np.uint8(2)])
def test_setting(blas, number):
    sl.set_num_threads(number)
    assert sl.get_num_threads() == number
    assert type(sl.get_num_threads()) is int


@pytest.mark.parametrize(
    ("number", "error", "rule"),
    [
        (0, ValueError, "at least 1 thread, but got 0"),
        (-3, ValueError, "at least 1 thread, but got -3"),
        (2.0, TypeError, "whole number of threads, but got 2.0"),
        (np.True_, TypeError, "whole number of threads, but got np.True_"),
        ("2", TypeError, "whole number of threads, but got '2'"),
        (True, TypeError, "whole number of threads, but got True"),
        (None, TypeError, "whole number of threads, but got None"),
    ],
)
def test_setting_what_is_no_number_of_threads(blas, number, error, rule):
    with pytest.raises(error, match=f"^n must be a?.*{rule}"):
        sl.set_num_threads(number)
    assert sl.get_num_threads() == 4


# --- folders and memory -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "home/.cache/sevenloops"),
        ("linux", {"XDG_CACHE_HOME": "xdg"}, "xdg/sevenloops"),
        ("linux", {"XDG_CACHE_HOME": "", "LOCALAPPDATA": "local"}, "home/.cache/sevenloops"),
        ("emscripten", {}, "home/.cache/sevenloops"),
        ("darwin", {"XDG_CACHE_HOME": "xdg", "LOCALAPPDATA": "local"}, "home/Library/Caches/sevenloops"),
        ("win32", {"LOCALAPPDATA": "local", "XDG_CACHE_HOME": "xdg"}, "local/sevenloops"),
        ("win32", {}, "home/AppData/Local/sevenloops"),
        ("linux", {"SEVENLOOPS_CACHE": "mine", "XDG_CACHE_HOME": "xdg"}, "mine"),
        ("darwin", {"SEVENLOOPS_CACHE": "mine"}, "mine"),
        ("win32", {"SEVENLOOPS_CACHE": "mine", "LOCALAPPDATA": "local"}, "mine"),
        ("linux", {"SEVENLOOPS_CACHE": ""}, "home/.cache/sevenloops"),
    ],
)
def test_cache_folder(monkeypatch, tmp_path, platform, variables, folder):
    monkeypatch.setattr(runtime, "sys", SimpleNamespace(platform=platform))
    for name in ("SEVENLOOPS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value and str(tmp_path / value))
    assert runtime.cache_folder() == tmp_path / folder
    assert list(tmp_path.iterdir()) == []  # asking makes nothing


@pytest.mark.parametrize("shape", [(), (0,), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.dtype(np.float64)])
def test_empty(shape, dtype):
    array = runtime.empty(shape, dtype)
    assert (array.shape, array.dtype, array.flags.c_contiguous) == (shape, dtype, True)
    assert runtime.empty(shape, dtype) is not array


def test_kernels_get_memory_without_values_from_the_one_allocator():
    """Tests fill it with NaN to see what is read before it is written; NumPy's own functions would escape them."""
    package = Path(sl.__file__).parent
    files = [*package.glob("conv/**/*.py"), package / "columns.py", package / "memory.py"]
    found = {
        f"{node.value.id}.{node.attr}": f"{file.relative_to(package)}:{node.lineno}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr.startswith("empty")
    }
    assert found.keys() == {"runtime.empty", "runtime.empty_like"}, found
