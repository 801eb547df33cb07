"""Pieces and where they lie, by counting positions one by one."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.conv.pieces import overlap, split, spread


@given(start=st.integers(-12, 12), length=st.integers(1, 9), size=st.integers(1, 9))
def test_overlap(start, length, size):
    inside, place = overlap([start], [length], [size])
    both = [p for p in range(start, start + length) if 0 <= p < size]
    piece, array = np.arange(start, start + length), np.arange(size)
    assert piece[inside].tolist() == array[place].tolist() == both


@given(count=st.integers(1, 100), parts=st.integers(1, 20))
def test_split_is_even(count, parts):
    pieces = split(count, parts)
    assert [i for piece in pieces for i in range(count)[piece]] == list(range(count))
    lengths = [piece.stop - piece.start for piece in pieces]
    assert max(lengths) - min(lengths) <= 1


def test_every_unit_goes_to_one_worker_and_always_the_same():
    for count in (0, 1, 2, 7):
        taken = [dict(), dict(), dict()]
        spread(lambda unit, worker: worker.setdefault(unit, threading.get_ident()), range(count), taken)
        assert [sorted(worker) for worker in taken] == [list(range(number, count, 3)) for number in range(3)]
        assert all(len(set(worker.values())) <= 1 for worker in taken)
    assert sl.get_num_threads() >= 1
