"""Memory that is used again: never while anything shows it, bounded, from any thread, in forked children."""

import gc
import os
import random
import threading
import tracemalloc

import numpy as np
import pytest

from sevenloops import buffers

LARGE = (buffers.LEAST // 4,)  # of float32


@pytest.fixture(autouse=True)
def _nothing_kept():
    most = buffers.get_kept_memory()
    buffers.release_memory()
    yield
    buffers.set_kept_memory(most)
    buffers.release_memory()


def place(array):
    return array.__array_interface__["data"][0]


def waiting():
    return buffers._shelf.kept


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("shape", [(), (0,), (3, 4), (300, 400), (64, 6, 28, 28), (1 << 20,), (65_537, 3)])
def test_arrays_are_plain_ones(shape, dtype):
    array = buffers.recycled(shape, dtype)
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[...] = 1  # to the last byte
    assert array.nbytes < buffers.LEAST or place(array) % 64 == 0


def test_memory_is_used_again():
    first = buffers.recycled(LARGE, np.float32)
    where = place(first)
    del first
    assert place(buffers.recycled(LARGE, np.float32)) == where


def test_nearly_the_same_size_is_the_same_memory():
    first = buffers.recycled((100_000,), np.float32)
    where = place(first)
    del first
    assert place(buffers.recycled((99_000,), np.float32)) == where


VIEWS = {
    "slice": lambda a: a[5:7],
    "reshaped": lambda a: a.reshape(2, -1),
    "transposed": lambda a: a.reshape(4, -1).T,
    "other dtype": lambda a: a.view(np.uint8),
    "a view's view": lambda a: a[1:].reshape(1, -1)[:, 3:].T[::2],
    "broadcast": lambda a: np.broadcast_to(a[None], (2, *a.shape)),
    "memoryview": memoryview,
    "from its buffer": lambda a: np.frombuffer(a, np.float32, 4),
    "by interface": lambda a: np.lib.stride_tricks.as_strided(a, (2,), (4,)),
    "iterator": lambda a: np.nditer(a),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_keeps_the_memory(view):
    array = buffers.recycled(LARGE, np.float32)
    where = place(array)
    shown = view(array)
    del array
    others = [buffers.recycled(LARGE, np.float32) for _ in range(3)]
    assert where not in [place(other) for other in others]
    del shown
    gc.collect()
    assert place(buffers.recycled(LARGE, np.float32)) == where


def test_nothing_that_lives_is_overwritten():
    rng, alive = random.Random(0), []
    sizes = [buffers.LEAST // 4, buffers.LEAST // 4 + 1, 30_000, 31_000, 100_000]
    buffers.set_kept_memory(1 << 20)
    for number in range(3000):
        if alive and rng.random() < 0.5:
            array, value, base = alive.pop(rng.randrange(len(alive)))
            assert (array == value).all()
            assert base is None or (base == value).all()
        elif len(alive) < 20:
            array = buffers.recycled((rng.choice(sizes),), np.float32)
            array[:] = number
            alive.append((array[rng.randrange(5) :: 2], number, array if rng.random() < 0.5 else None))
        assert waiting() <= 1 << 20
    for array, value, _ in alive:
        assert (array == value).all()


def test_what_waits_is_bounded_and_the_oldest_goes_first():
    arrays = [buffers.recycled((count,), np.uint8) for count in (100_000, 200_000, 300_000)]
    buffers.set_kept_memory(560_000)
    first, second, third = map(place, arrays)
    while arrays:
        del arrays[0]
    assert 500_000 <= waiting() <= 560_000
    assert place(buffers.recycled((200_000,), np.uint8)) == second
    assert place(buffers.recycled((300_000,), np.uint8)) == third
    buffers.set_kept_memory(0)
    assert waiting() == 0
    assert first  # freed; where new memory comes from is the allocator's choice


def test_what_waits_can_be_released():
    array = buffers.recycled(LARGE, np.float32)
    del array
    assert waiting() >= buffers.LEAST
    buffers.release_memory()
    assert waiting() == 0


def test_small_arrays_and_objects_are_numpys_own():
    assert buffers.recycled((10,), np.float32).base is None
    assert buffers.recycled((1 << 16,), object).base is None


def test_tracemalloc_counts_every_array():
    array = buffers.recycled(LARGE, np.float32)
    del array
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        array = buffers.recycled(LARGE, np.float32)
        assert tracemalloc.get_traced_memory()[0] - before >= array.nbytes
    finally:
        tracemalloc.stop()


def test_threads_get_memory_of_their_own():
    failures = []

    def work(seed):
        rng, alive = random.Random(seed), []
        for number in range(800):
            array = buffers.recycled((rng.choice([20_000, 21_000, 50_000]),), np.float32)
            array[:] = value = seed * 10_000 + number
            alive.append((array, value))
            if len(alive) > 4:
                array, value = alive.pop(0)
                if not (array == value).all():
                    failures.append(value)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_memory_that_dies_while_the_shelf_is_at_work_is_not_lost():
    array = buffers.recycled(LARGE, np.float32)
    where = place(array)
    with buffers._shelf.lock:  # as if the collector ran in the midst of `take`
        del array
        other = buffers.recycled(LARGE, np.float32)
    assert place(other) != where
    assert place(buffers.recycled(LARGE, np.float32)) == where


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_works_on():
    array = buffers.recycled(LARGE, np.float32)
    array[:] = 3
    with buffers._shelf.lock:
        child = os.fork()
        if not child:
            try:
                other = buffers.recycled(LARGE, np.float32)
                other[:] = 4
                fine = (array == 3).all() and place(other) != place(array)
                where = place(array)
                del array
                fine = fine and place(buffers.recycled(LARGE, np.float32)) == where
                os._exit(0 if fine else 1)
            except BaseException:
                os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert (array == 3).all()


@pytest.mark.parametrize("wrong", ["1", 1.5, True, None])
def test_bytes_are_a_whole_number(wrong):
    with pytest.raises(TypeError, match="nbytes must be a whole number"):
        buffers.set_kept_memory(wrong)


def test_bytes_are_not_negative():
    with pytest.raises(ValueError, match="at least 0"):
        buffers.set_kept_memory(-1)
