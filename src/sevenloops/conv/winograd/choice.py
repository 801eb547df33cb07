"""Which tiles and boxes Winograd's algorithm uses for a problem: those that are predicted to be fastest."""

from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import prod

from sevenloops import runtime
from sevenloops.conv.cost import Cost, calls, copy, gemm, passes
from sevenloops.conv.problem import ConvProblem
from sevenloops.conv.winograd.plan import WinogradPlan
from sevenloops.conv.winograd.tiling import Shapes, Tiling

__all__ = ["make_plan", "predict"]

# Tiles of a box: enough that the weights, which every box reads, do not cost more than the products; few enough that
# what is computed stays in a cache. The smaller numbers are for bounds on the workspace.
_TARGETS = (256, 128, 64, 32)
_SMALL_TARGETS = (16, 4, 1)


@lru_cache(maxsize=1024)
def make_plan(problem: ConvProblem) -> WinogradPlan:
    """Return the tiles and boxes that are predicted to be fastest, of those within the bound on the workspace if any.

    Where all exceed it, the plan with the smallest workspace is returned.
    """
    every_m = list(product(*((1,) if kernel == 1 else (2, 4) for kernel in problem.geometry.kernel_size)))
    threads = problem.threads if runtime.blas_is_held() else 1
    bound = problem.max_workspace
    if bound is None:
        best_m = min(every_m, key=lambda m: _seconds(_plan(problem, m, _TARGETS[1], 1, 1)))
        plans = [_plan(problem, best_m, target, n, 1) for target in _TARGETS for n in {1, threads}]
        if threads > 1:
            plans += [_plan(problem, best_m, target, threads, threads) for target in _TARGETS[:2]]
        return min(plans, key=_seconds)
    free = replace(make_plan(replace(problem, max_workspace=None)), problem=problem)
    if free.workspace <= bound:
        return free
    targets = (*_TARGETS, *_SMALL_TARGETS)
    plans = [_plan(problem, m, target, n, 1) for m in every_m for target in targets for n in {1, threads}]
    plans = [replace(plan, is_frugal=True) for plan in plans]
    fitting = [plan for plan in plans if plan.workspace <= bound]
    return min(fitting, key=_seconds) if fitting else min(plans, key=lambda plan: plan.workspace)


def _seconds(plan: WinogradPlan) -> float:
    return predict(plan).seconds


def _plan(problem: ConvProblem, m: tuple[int, ...], target: int, workers: int, slices: int) -> WinogradPlan:
    """Return the plan with boxes of about `target` tiles, or for the weight gradient with as many in a round."""
    g = problem.geometry
    if problem.direction == "weight_grad":
        tiling = Tiling.of(g, m, -(-target // workers))
        together = max(target, prod(tiling.largest))
        return WinogradPlan(problem, tiling, 1, min(together, prod(tiling.counts)), workers)
    channels = g.out_channels if problem.direction == "forward" else g.in_channels
    slices = min(slices, channels) if g.groups == 1 else 1
    return WinogradPlan(problem, Tiling.of(g, m, target), slices, 0, workers)


# --- the prediction -------------------------------------------------------------------------------------------------

# Matrices as small as these are multiplied as they lie, which is faster than `gemm` says.
_SMALL_PRODUCT = 1e6  # rows · columns · depth
_SMALL_FLOPS = 110e9
_SMALL_SECONDS = 25e-9
# The time measured over the sum of the parts, on average.
_BEYOND_THE_PARTS = 1.2
# Memory that is touched for the first time costs as much as this many passes over it.
_FIRST_USE = 1.0
# Handing work to other threads and waiting for them.
_WAKING_SECONDS = 5e-5


def predict(plan: WinogradPlan) -> Cost:
    """Return the predicted cost of a plan."""
    g, tiling, size = plan.geometry, plan.tiling, plan.problem.itemsize
    direction = plan.problem.direction
    steps = prod(tiling.parts) * plan.slices
    tiles = prod(tiling.counts)
    filled = tiles / (prod(tiling.parts) * prod(tiling.largest))  # boxes are not all as large as the largest
    kernels = tiling.products * g.out_channels * g.group_in

    step = Cost()
    if direction != "input_grad":
        step += _analysis(plan, plan.input_shapes(tiling.largest)[plan.input_stages :])
    if direction != "forward":
        step += _analysis(plan, plan.grad_shapes(tiling.largest)[plan.grad_stages :])
    rows, columns = plan.weight_channels
    rounds = 1
    if direction == "weight_grad":
        rounds = -(-tiles // plan.round_tiles)
        total = step.times(steps * filled) + calls(40 * steps)
        total += _products(plan, tiles / rounds, columns, rows).times(rounds)
        total += calls(4 * rounds * tiling.products / plan.products_at_once)
        total += passes(kernels, 3 * (rounds - 1) + 2, size)
    else:
        columns = -(-columns // plan.slices)
        shapes = plan.shapes(tiling.largest, columns * g.groups)[-g.axes - 1 :]
        step += _maps(plan, shapes, prod(tiling.largest) * prod(tiling.m[:-1]))
        step += _products(plan, tiles / prod(tiling.parts), columns, rows)
        total = step.times(steps * filled) + calls(30 * steps)
        total += passes(prod(g.out_shape), 2, size) if direction == "forward" else passes(prod(g.x_shape), 3, size)
        total += _maps(plan, [*plan.weight_shapes(kernels // tiling.products), (kernels,)], 0)
    total += copy(g.out_channels * g.group_in * g.taps, 8, size) + calls(12 * len(plan.weight_ranges))
    total += passes(plan.workspace / size, _FIRST_USE, size)
    total = replace(total, seconds=total.seconds * _BEYOND_THE_PARTS)
    if plan.workers == 1:
        return total.within(plan.workspace)
    idle = -(-steps // plan.workers) * plan.workers / steps  # not every worker has as much to do
    waking = Cost(seconds=_WAKING_SECONDS * 2 * rounds)
    return (total.over(plan.workers).times(idle) + waking).within(plan.workspace)


def _analysis(plan: WinogradPlan, shapes: Shapes) -> Cost:
    """Reading a piece, in whichever order, and transforming it."""
    reading = passes(prod(shapes[0]), 1 if plan.problem.channels_last else 2, plan.problem.itemsize)
    return reading + _maps(plan, shapes, prod(shapes[0][:-1]) // plan.tiling.m[-1])


def _maps(plan: WinogradPlan, shapes: Shapes, matrices: int) -> Cost:
    """Transforms along one axis after another; the shortest vectors are in so many small matrices."""
    size = plan.problem.itemsize
    flops = 2.0 * max(plan.tiling.t) * sum(map(prod, shapes[1:]))
    return Cost(seconds=flops / _SMALL_FLOPS * size / 4 + matrices * _SMALL_SECONDS, flops=flops)


def _products(plan: WinogradPlan, tiles: float, columns: int, rows: int) -> Cost:
    """Products of (tiles, rows) and (rows, columns) matrices."""
    size, count = plan.problem.itemsize, plan.tiling.products * plan.geometry.groups
    if rows == 1:
        return passes(tiles * columns * count, 3 if columns > 1 else 1, size)
    product = gemm(tiles, columns, rows, size, count)
    if tiles * columns * rows < _SMALL_PRODUCT:
        share = tiles / (tiles + 4) * (columns / (columns + 4)) * (rows / (rows + 4))
        product = Cost(product.flops / (_SMALL_FLOPS * share) * size / 4 + count * _SMALL_SECONDS, product.flops)
    if count * columns * rows * size > 2 * runtime.CACHE_BYTES:
        product += passes(count * columns * rows, 1, size)  # weights that do not stay in a core's cache
    return product
