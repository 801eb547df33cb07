"""Which tiles the FFT algorithm uses for a problem: those that are predicted to be fastest."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import ceil, log2, prod

from sevenloops import runtime
from sevenloops.conv.cost import Cost, calls, passes
from sevenloops.conv.fft.plan import FftPlan
from sevenloops.conv.problem import ConvProblem

__all__ = ["fast_length", "make_plan", "predict"]

# Bytes of the spectra of a round: with many tiles the products are fast, but memory beyond the caches is slow.
_ROUND_BYTES = 32 * 1024 * 1024
# The lengths that are tried along an axis: up to so many kernels, at least so long, in steps of so many times.
_KERNELS = 8
_LONG = 64
_STEP = {1: 1.25, 2: 1.5, 3: 2.5}


@lru_cache(maxsize=1024)
def make_plan(problem: ConvProblem) -> FftPlan:
    """Return tiles that are predicted to be fast, within the bound on the workspace if there is one.

    Where all exceed it, the plan with the smallest workspace is returned.
    """
    if problem.max_workspace is not None:
        free = replace(make_plan(replace(problem, max_workspace=None)), problem=problem)
        return free if free.workspace <= problem.max_workspace else _bounded_plan(problem, problem.max_workspace)
    threads = problem.threads if runtime.blas_is_held() else 1
    every_axis = [list(_tiles_of_axis(problem, axis)) for axis in range(problem.geometry.axes)]

    def seconds(tiles: Sequence[tuple[int, int]]) -> float:
        return _seconds(_with_round(_single(problem, tiles, threads), _ROUND_BYTES))

    # All axes alike, then one after another: nearly as good as all combinations.
    alike = [[each[min(i, len(each) - 1)] for each in every_axis] for i in range(max(map(len, every_axis)))]
    tiles = min(alike, key=seconds)
    for axis, each in enumerate(every_axis):
        tiles = min(([*tiles[:axis], tile, *tiles[axis + 1 :]] for tile in each), key=seconds)
    plans = [_with_round(_single(problem, tiles, workers), _ROUND_BYTES) for workers in {1, threads}]
    return min(plans, key=_seconds)


def _bounded_plan(problem: ConvProblem, bound: int) -> FftPlan:
    """Try all combinations, each with as many tiles in a round as there is room for."""
    every_axis = [list(_tiles_of_axis(problem, axis)) for axis in range(problem.geometry.axes)]
    threads = problem.threads if runtime.blas_is_held() else 1
    single = [_single(problem, tiles, n) for tiles in product(*every_axis) for n in {1, threads}]
    plans = [_with_round(one, bound - one.workspace + one.tile_bytes) for one in single]
    fitting = [plan for plan in plans if plan.workspace <= bound]
    return min(fitting, key=_seconds) if fitting else min(plans, key=lambda plan: plan.workspace)


def _seconds(plan: FftPlan) -> float:
    return predict(plan).seconds


def _single(problem: ConvProblem, tiles: Sequence[tuple[int, int]], workers: int) -> FftPlan:
    """Return the plan with these outputs and lengths, and one tile in a round."""
    outputs, lengths = zip(*tiles)
    return FftPlan(problem, outputs, lengths, 1, workers)


def _tiles_of_axis(problem: ConvProblem, axis: int) -> Iterator[tuple[int, int]]:
    """Yield the tiles that are tried along an axis: (outputs, length of the transform)."""
    g = problem.geometry
    out, stride, kernel = g.output_size[axis], g.stride[axis], g.effective_kernel[axis]
    seen = set()
    wanted = [float(kernel)]
    while wanted[-1] < min(g.span[axis], max(_KERNELS * kernel, _LONG)):
        wanted.append(wanted[-1] * _STEP[g.axes])
    for length in (*wanted[:-1], g.span[axis]):
        fitting = min((fast_length(ceil(length)) - kernel) // stride + 1, out)
        outputs = ceil(out / ceil(out / fitting))  # in as many tiles, all about as large
        tile = (outputs, fast_length((outputs - 1) * stride + kernel))
        if tile not in seen:
            seen.add(tile)
            yield tile


@lru_cache(maxsize=4096)
def fast_length(least: int) -> int:
    """Return the smallest number, not below `least`, that has no prime factor but 2, 3 and 5."""
    best = 2 * least
    five = 1
    while five < best:
        odd = five
        while odd < best:
            best = min(best, odd << (ceil(least / odd) - 1).bit_length())
            odd *= 3
        five *= 5
    return best


def _with_round(one: FftPlan, room: int) -> FftPlan:
    """Return the plan with as many tiles in a round as there is room for, from that with one."""
    most = min(max(min(room, _ROUND_BYTES) // one.tile_bytes, 1), one.tile_count)
    rounds = ceil(one.tile_count / most)
    return replace(one, at_once=ceil(one.tile_count / rounds))


# --- the prediction -------------------------------------------------------------------------------------------------

# Seconds of a transform, for float32: of a line, and of its elements, more in longer lines.
_LINE_SECONDS = 2e-8
_REAL_SECONDS = (0.8e-9, 0.07e-9)
_COMPLEX_SECONDS = (1.2e-9, 0.13e-9)
# As for Winograd's algorithm: products of matrices that are small enough to be multiplied as they lie.
_SMALL_FLOPS = 100e9
_SMALL_SECONDS = 6e-8
_FIRST_USE = 1.0
# The time measured over the sum of the parts, on average.
_BEYOND_THE_PARTS = 1.5
_WAKING_SECONDS = 5e-5


def predict(plan: FftPlan) -> Cost:
    """Return the predicted cost of a plan."""
    g, direction, size = plan.geometry, plan.problem.direction, plan.problem.itemsize
    tiles, rounds = plan.tile_count, ceil(plan.tile_count / plan.at_once)
    stuffed = tuple((q - 1) * s + 1 for q, s in zip(plan.outputs, g.stride))
    kernels = g.out_channels * g.group_in
    sides: tuple[float, float, float]  # of the products of a frequency
    if direction == "forward":
        total = _transforms(plan, plan.reach, g.in_channels, tiles)
        total += _transforms(plan, plan.outputs, g.out_channels, tiles, back=True)
        sides = tiles / rounds, 2 * g.group_out, 2 * g.group_in
    elif direction == "input_grad":
        total = _transforms(plan, stuffed, g.out_channels, tiles)
        total += _transforms(plan, plan.reach, g.in_channels, tiles, back=True)
        sides = tiles / rounds, 2 * g.group_in, 2 * g.group_out
    else:
        total = _transforms(plan, stuffed, g.out_channels, tiles)
        total += _transforms(plan, plan.reach, g.in_channels, tiles)
        sides = g.group_out, 2 * g.group_in, 2 * tiles / rounds
    total += _transforms(plan, g.kernel_size if direction == "weight_grad" else g.effective_kernel, kernels, 1)
    if g.is_depthwise:
        total += passes(2 * plan.frequencies * tiles * g.groups, 3, size)
    else:
        number = plan.frequencies * g.groups * rounds
        flops = 2 * prod(sides)
        share = prod(side / (side + 4) for side in sides)
        seconds = _SMALL_SECONDS + flops / (_SMALL_FLOPS * share) * size / 4
        total += Cost(number * seconds, number * flops)
        total += passes(plan.frequencies * kernels * rounds, 6 if direction == "weight_grad" else 4, size)
    total += passes(plan.workspace / size, _FIRST_USE, size)
    total = replace(total, seconds=total.seconds * _BEYOND_THE_PARTS)
    if plan.workers == 1:
        return total.within(plan.workspace)
    return (total.over(plan.workers) + Cost(seconds=_WAKING_SECONDS * (1 + 3 * rounds))).within(plan.workspace)


def _transforms(plan: FftPlan, filled: tuple[int, ...], channels: int, tiles: int, back: bool = False) -> Cost:
    """Transforms of pieces of which so much is filled, or back to so much, for all channels of so many tiles."""
    *lengths, last = plan.lengths
    size = plan.problem.itemsize
    lines = prod(filled[:-1])
    total = _lines(lines, last, _REAL_SECONDS, size)
    for axis, length in enumerate(lengths):
        lines = prod(filled[:axis]) * prod(lengths[axis + 1 :]) * (last // 2 + 1)
        total += _lines(lines, length, _COMPLEX_SECONDS, size)
    total += passes(prod(filled), 4 if back else 2, size)  # read or written, or both, where it belongs
    total += passes(2 * plan.frequencies, 2, size)
    units = ceil(tiles / plan.images_at_once) * ceil(channels / plan.channels_at_once)
    return total.times(channels * tiles) + calls(20 * units)


def _lines(lines: int, length: int, rates: tuple[float, float], size: int) -> Cost:
    seconds = _LINE_SECONDS + length * (rates[0] + rates[1] * log2(length)) * (0.5 + size / 8)
    return Cost(lines * seconds, lines * 2.5 * length * log2(length) * (1 if rates is _REAL_SECONDS else 2))
