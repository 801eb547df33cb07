"""What algorithms allocate beyond their result: no more than they state, and no more than they are allowed."""

import contextlib
import tracemalloc
from dataclasses import replace
from math import prod

import numpy as np
import pytest

import sevenloops as sl
from tests.helpers.cases import Case
from tests.helpers.checks import (
    ALGORITHMS,
    DIRECTIONS,
    assert_close,
    compute,
    expect,
    must_accept,
    to_layout,
    weight_to_layout,
)

#: Python objects: views, index tuples, a number for each position along an axis.
SLACK = 24 * 1024


@contextlib.contextmanager
def one_thread_without_buffers():
    """NumPy adds unequally strided arrays through buffers of its own, here as small as they get (in this thread)."""
    threads, size = sl.get_num_threads(), np.setbufsize(16)
    sl.set_num_threads(1)
    try:
        yield
    finally:
        sl.set_num_threads(threads)
        np.setbufsize(size)


@pytest.fixture(autouse=True)
def measurable():
    with one_thread_without_buffers():
        yield


def buffers(dtype):
    """Bytes of NumPy's own buffers in another thread: two operands of 8192 elements."""
    return 2 * 8192 * np.dtype(dtype).itemsize


BASE = Case(
    batch=2,
    groups=1,
    group_in=8,
    group_out=12,
    size=(16, 21),
    kernel=(3, 3),
    out=(16, 21),
    stride=(1, 1),
    dilation=(1, 1),
    padding=((1, 1), (1, 1)),
    has_bias=True,
    channels_last=False,
    memory=("contiguous",) * 3,
    seed=1,
)
CASES = {
    "padded": BASE,
    "not padded": replace(BASE, out=(14, 19), padding=((0, 0), (0, 0))),
    "strided": replace(BASE, out=(8, 7), stride=(2, 3)),
    "grouped": replace(BASE, groups=4, group_in=2, group_out=3),
    "depthwise": replace(BASE, groups=16, group_in=1, group_out=1),
    "pointwise": replace(BASE, kernel=(1, 1), padding=((0, 0), (0, 0)), group_in=24),
    "dilated": replace(BASE, dilation=(2, 3), padding=((2, 2), (3, 3))),
    "large kernel": replace(BASE, kernel=(7, 6), padding=((3, 3), (2, 3))),
    "one axis": replace(BASE, size=(250,), kernel=(5,), out=(250,), stride=(1,), dilation=(1,), padding=((2, 2),)),
    "three axes": replace(
        BASE,
        size=(7, 9, 8),
        kernel=(3, 2, 3),
        out=(7, 8, 8),
        stride=(1,) * 3,
        dilation=(1,) * 3,
        padding=((1, 1), (0, 0), (1, 1)),
    ),
    "channels-last": replace(BASE, memory=("channels-last",) * 3),
    "NHWC": replace(BASE, channels_last=True),
    "sliced": replace(BASE, memory=("sliced", "fortran", "reversed")),
    "mixed": replace(BASE, memory=("channels-last", "contiguous", "contiguous")),
    "mixed, strided": replace(
        BASE, out=(8, 7), stride=(2, 3), memory=("contiguous", "channels-last", "channels-last")
    ),
    "mixed, grouped": replace(
        BASE, groups=4, group_in=2, group_out=3, channels_last=True, memory=("channels-last", "sliced", "contiguous")
    ),
    "many weights": replace(BASE, batch=1, group_in=48, group_out=40, size=(6, 5), out=(6, 5)),
}


#: Slow ones get less to do.
ONE_BY_ONE = ("loops", "loops-window", "einsum-pixel")
SMALL = replace(BASE, batch=1, group_in=3, group_out=4, size=(9, 8), out=(9, 8))
SMALL_CASES = {
    "padded": SMALL,
    "not padded": replace(SMALL, out=(7, 6), padding=((0, 0), (0, 0))),
    "grouped": replace(SMALL, groups=2, channels_last=True),
}


def plan_of(case, direction, algorithm, dtype="float32", **options):
    x, weight, _, _ = case.arrays(dtype)
    plan = getattr(sl, f"plan_conv{case.axes}d")
    return plan(
        to_layout(x, case),
        weight_to_layout(weight, case),
        direction=direction,
        layout=case.layout,
        algorithm=algorithm,
        **case.parameters,
        **options,
    )


def stated_workspace(plan):
    return next(c.cost.workspace for c in plan.candidates if c.name == plan.algorithm)


def allocated(case, direction, algorithm, dtype="float32", **options):
    """Return the result, and the peak of what was allocated beyond it."""
    arrays = case.arrays(dtype)
    compute(case, direction, algorithm, arrays, **options)  # imports, caches and pools are not the call's
    tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        result = compute(case, direction, algorithm, arrays, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return result, peak - start - result.nbytes


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_more_than_stated(algorithm, direction):
    too_much = {}
    for name, case in (SMALL_CASES if algorithm in ONE_BY_ONE else CASES).items():
        try:
            stated = stated_workspace(plan_of(case, direction, algorithm))
        except sl.errors.UnsupportedGeometryError:
            assert not must_accept(case, algorithm)
            continue
        used = allocated(case, direction, algorithm)[1]
        if used > stated + SLACK:
            too_much[name] = f"{used} instead of {stated}"
    assert not too_much


LARGE = replace(BASE, group_in=32, group_out=12, size=(40, 46), out=(40, 46))
COLUMNS = 4 * LARGE.batch * prod(LARGE.out) * LARGE.group_in * prod(LARGE.kernel)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("share", "threads"), [(3, 2), (6, 1), (20, 1)])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_lazy_im2col_stays_within_its_bound(direction, share, threads, dtype, channels_last):
    """Down to a twentieth of the matrix that im2col makes."""
    case = replace(LARGE, channels_last=channels_last)
    bound = COLUMNS * np.dtype(dtype).itemsize // 4 // share
    sl.set_num_threads(threads)
    result, used = allocated(case, direction, "im2col-lazy", dtype, max_workspace=bound)
    assert used <= bound + SLACK + (threads - 1) * buffers(dtype)
    expected, magnitude = expect(case, direction, case.arrays(dtype))
    assert_close(result, expected, magnitude, "im2col-lazy", dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("algorithm", ["auto", *ALGORITHMS])
def test_any_algorithm_stays_within_the_bound_or_says_that_it_cannot(algorithm, direction, dtype):
    """The copies that float16 is computed in count too."""
    accepted = []
    for bound in (0, 50_000, 3_000_000):
        case = SMALL if algorithm in ONE_BY_ONE or (algorithm == "auto" and not bound) else BASE
        try:
            plan_of(case, direction, algorithm, dtype, max_workspace=bound)
        except sl.errors.UnsupportedGeometryError as error:
            with pytest.raises(type(error), match="max_workspace"):
                compute(case, direction, algorithm, case.arrays(dtype), max_workspace=bound)
        else:
            accepted.append(bound)
            assert allocated(case, direction, algorithm, dtype, max_workspace=bound)[1] <= bound + SLACK
    assert 3_000_000 in accepted
    assert (0 in accepted) == (algorithm in ("auto", "loops") and dtype == "float32")
