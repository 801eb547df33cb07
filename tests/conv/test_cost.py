import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.conv.cost import Cost, add_at, calls, copy, einsum, gather, gemm, interpreted, passes

amounts = st.floats(0, 1e6, allow_subnormal=False)
sizes = st.integers(1, 4096)
costs = st.builds(Cost, amounts, amounts, amounts, st.integers(0, 10**12))
itemsizes = st.sampled_from([4, 8])


def fields(cost):
    return (cost.seconds, cost.flops, cost.bytes, cost.workspace)


# --- arithmetic ---------------------------------------------------------------------------------------------------


@given(parts=st.lists(costs, min_size=1, max_size=5))
def test_parts_add_up(parts):
    total = parts[0]
    for part in parts[1:]:
        total += part
    assert fields(total) == pytest.approx([sum(column) for column in zip(*map(fields, parts))])


@given(cost=costs)
def test_nothing_is_the_default(cost):
    assert cost + Cost() == Cost() + cost == cost


@given(cost=costs, count=st.integers(0, 1000))
def test_times_repeats_the_work_in_one_workspace(cost, count):
    assert fields(cost.times(count)) == pytest.approx(
        [cost.seconds * count, cost.flops * count, cost.bytes * count, cost.workspace]
    )


@given(cost=costs, workspace=st.integers(0, 10**12))
def test_within_states_the_workspace_and_nothing_else(cost, workspace):
    assert fields(cost.within(workspace)) == (cost.seconds, cost.flops, cost.bytes, workspace)


@given(cost=costs, threads=st.integers(1, 64))
def test_threads_save_time_and_nothing_else(cost, threads):
    spread = cost.over(threads)
    assert fields(spread)[1:] == fields(cost)[1:]
    assert cost.over(1) == cost
    assert cost.seconds / threads <= spread.seconds * (1 + 1e-12)  # no thread does more than its share
    assert cost.over(threads + 2).seconds <= cost.over(threads + 1).seconds
    if cost.seconds > 1e-3:  # less is not worth waking a thread for
        assert cost.over(threads + 1).seconds < cost.seconds


def test_waking_threads_takes_longer_than_the_least_of_work():
    assert Cost(seconds=1e-5).over(2).seconds > 1e-5


# --- parts --------------------------------------------------------------------------------------------------------


@given(m=sizes, n=sizes, k=sizes, itemsize=itemsizes, count=st.integers(1, 50))
def test_products_count_their_operations(m, n, k, itemsize, count):
    cost = gemm(m, n, k, itemsize, count)
    assert cost.flops == 2 * m * n * k * count
    assert (cost.bytes, cost.workspace) == (0, 0)
    assert fields(cost) == pytest.approx(fields(gemm(m, n, k, itemsize).times(count)))
    assert gemm(m, n, k, 4).seconds < gemm(m, n, k, 8).seconds <= 2 * gemm(m, n, k, 4).seconds


@given(m=sizes, n=sizes, k=sizes, itemsize=itemsizes, larger=st.integers(0, 2))
def test_a_larger_product_takes_longer_but_less_for_each_operation(m, n, k, itemsize, larger):
    """So two products are never predicted to take less than one that is both."""
    sides = [m, n, k]
    small = gemm(*sides, itemsize)
    sides[larger] *= 2
    large = gemm(*sides, itemsize)
    assert small.seconds < large.seconds < 2 * small.seconds


def test_a_large_product_runs_at_full_speed_and_a_slim_one_does_not():
    full = gemm(8000, 8000, 8000, 4)
    assert 50e9 < full.flops / full.seconds < 200e9
    slim = gemm(8000, 1, 8000, 4)
    assert slim.flops / slim.seconds < 0.25 * full.flops / full.seconds


@pytest.mark.parametrize("sides", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)])
def test_an_empty_product_has_no_operations_and_takes_finite_time(sides):
    cost = gemm(*sides, 4)
    assert cost.flops == 0
    assert 0 <= cost.seconds < 1e-4
    assert fields(gemm(3, 4, 5, 4, count=0)) == (0, 0, 0, 0)


@given(elements=st.integers(1, 10**9), run=st.integers(1, 10**4), itemsize=itemsizes)
def test_copies_move_each_element_twice_and_short_runs_cost(elements, run, itemsize):
    cost = copy(elements, run, itemsize)
    assert fields(cost)[1:] == (0, 2 * elements * itemsize, 0)
    assert copy(elements, run + 1, itemsize).seconds < cost.seconds
    assert copy(elements + 1, run, itemsize).seconds > cost.seconds
    assert passes(elements, 2, itemsize).seconds < cost.seconds
    assert copy(elements, 0, itemsize) == copy(elements, 1, itemsize)


@given(elements=st.integers(0, 10**9), times=st.integers(0, 9), itemsize=itemsizes)
def test_passes_touch_each_element_as_often_as_said(elements, times, itemsize):
    cost = passes(elements, times, itemsize)
    assert fields(cost)[1:] == (0, elements * times * itemsize, 0)
    alone = passes(1, times, itemsize).seconds
    assert alone * elements * 0.999 <= cost.seconds <= 4 * alone * elements  # memory is slower than a cache


@given(elements=st.integers(1, 10**9), itemsize=itemsizes)
def test_elements_through_indices_cost_more_than_copies_and_added_ones_more_than_that(elements, itemsize):
    copied, gathered, added = (f(elements, itemsize) for f in (lambda n, s: copy(n, 1, s), gather, add_at))
    assert fields(copied)[1:] == fields(gathered)[1:] == fields(added)[1:]
    assert copied.seconds < gathered.seconds < added.seconds


@given(flops=st.integers(1, 10**12))
def test_einsum_and_python_take_time_for_each_operation(flops):
    for make in (lambda n: einsum(n, 4), lambda n: einsum(n, 8), interpreted):
        start = make(0).seconds
        assert fields(make(flops)) == pytest.approx((start + (make(1).seconds - start) * flops, flops, 0, 0))
    assert einsum(flops, 8).seconds == pytest.approx(2 * einsum(flops, 4).seconds)


def test_calls_take_time_only():
    assert fields(calls(3)) == pytest.approx((3 * calls(1).seconds, 0, 0, 0))
    assert 1e-7 < calls(1).seconds < 1e-5


def test_blas_is_faster_than_einsum_and_einsum_than_python():
    work = 2 * 512**3
    seconds = [gemm(512, 512, 512, 8).seconds, einsum(work, 8).seconds, interpreted(work).seconds]
    assert all(10 * faster < slower for faster, slower in pairwise(seconds))
    assert all(map(math.isfinite, seconds))
