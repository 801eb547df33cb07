"""Winograd's algorithm for one problem: its units of work, and the arrays that it allocates."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import gcd, prod

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.pieces import split
from sevenloops.conv.problem import ConvProblem
from sevenloops.conv.winograd.tiling import (
    APART,
    Box,
    Shapes,
    Tiling,
    analysis_shapes,
    folding_shapes,
    scratch_elements,
    synthesis_shapes,
)
from sevenloops.conv.winograd.transforms import transform_arrays
from sevenloops.geometry import ConvGeometry

__all__ = ["WinogradPlan"]


@dataclass(frozen=True)
class WinogradPlan:
    """How a problem is cut up.

    Attributes
    ----------
    problem : ConvProblem
    tiling : Tiling
    slices : int
        Ranges into which the result's channels are cut, so that there is work for all workers.
    round_tiles : int
        Tiles whose products the weight gradient takes together.
    workers : int
        Threads with buffers of their own.
    is_frugal : bool
        Whether what is done once, not box by box, must do with little memory too.
    """

    problem: ConvProblem
    tiling: Tiling
    slices: int
    round_tiles: int
    workers: int
    is_frugal: bool = False

    @property
    def geometry(self) -> ConvGeometry:
        """The problem's geometry."""
        return self.problem.geometry

    @property
    def is_weight_grad(self) -> bool:
        """Whether the result is the weight's gradient."""
        return self.problem.direction == "weight_grad"

    @property
    def weight_channels(self) -> tuple[int, int]:
        """Channels of a group in transformed weights: those that products sum over, then those of the result."""
        g = self.geometry
        return (g.group_in, g.group_out) if self.problem.direction == "forward" else (g.group_out, g.group_in)

    def matrices(self, name: str, transposed: bool = False) -> list[Array]:
        """Return one of the transforms, for each axis."""
        sizes = zip(self.tiling.m, self.geometry.kernel_size)
        arrays = [getattr(transform_arrays(m, r, self.problem.dtype), name) for m, r in sizes]
        return [np.ascontiguousarray(a.T) for a in arrays] if transposed else arrays

    # --- units of work -------------------------------------------------------------------------------------------

    @cached_property
    def units(self) -> list[tuple[Box, slice]]:
        """Boxes, each for a range of the result's channels."""
        g = self.geometry
        channels = g.out_channels if self.problem.direction == "forward" else g.in_channels
        return list(product(self.tiling.boxes(), split(channels, self.slices)))

    @cached_property
    def rounds(self) -> list[list[tuple[Box, slice]]]:
        """Boxes of which the weight gradient takes the products together, each with the range of its tiles."""
        rounds: list[list[tuple[Box, slice]]] = []
        end = self.round_tiles
        for box in self.tiling.boxes():
            count = prod(box.counts)
            if end + count > self.round_tiles:
                rounds.append([])
                end = 0
            rounds[-1].append((box, slice(end, end + count)))
            end += count
        return rounds

    @cached_property
    def weight_ranges(self) -> list[tuple[slice, slice]]:
        """Ranges of groups, and of the first channels of a group, whose weights are transformed together."""
        groups = self.geometry.groups
        rows, columns = self.weight_channels
        room = runtime.CACHE_BYTES // 2 // self.problem.itemsize
        if self.is_frugal:  # no more than boxes take anyway
            room = min(room, *scratch_elements(*self._box_chains))
        fit = max(room // (self.tiling.products * columns), 1)
        if groups == 1:
            return [(slice(0, 1), part) for part in split(rows, -(-rows // fit))]
        return [(part, slice(0, rows)) for part in split(groups, -(-groups // max(fit // rows, 1)))]

    @property
    def products_at_once(self) -> int:
        """Products of the weight gradient that one worker adds up at a time."""
        g = self.geometry
        fit = runtime.CACHE_BYTES // (g.out_channels * g.group_in * self.problem.itemsize)
        if self.is_frugal:  # little beside the sum itself
            fit = min(fit, self.tiling.products // (8 * self.workers))
        return min(max(fit, 1), -(-self.tiling.products // self.workers))

    # --- arrays --------------------------------------------------------------------------------------------------

    @property
    def input_stages(self) -> int:
        """Arrays in front of `input_shapes` through which x is copied."""
        return self._stages(self.geometry.in_channels, self.geometry.input_size)

    @property
    def grad_stages(self) -> int:
        """Arrays in front of `grad_shapes` through which grad_output is copied."""
        return self._stages(self.geometry.out_channels, self.geometry.output_size)

    def _stages(self, channels: int, sizes: tuple[int, ...]) -> int:
        """Return 1 if channels lie so far apart, in powers of two, that reading one of each would miss the cache.

        A first-level cache has places for 4096 bytes at a time and a few such layers.
        """
        apart = gcd(prod(sizes) * self.problem.itemsize, 4096)
        return int(not self.problem.channels_last and channels * apart > 64 * 1024)

    def input_shapes(self, counts: tuple[int, ...]) -> Shapes:
        """From a piece of x to V."""
        images, *tiles = counts
        tiling = self.tiling
        reach = tuple((n - 1) * m + t for n, m, t in zip(tiles, tiling.m, tiling.t))
        return self._analysis(images, reach, tuple(tiles), self.geometry.in_channels, self.input_stages)

    def grad_shapes(self, counts: tuple[int, ...]) -> Shapes:
        """From a piece of grad_output to M̄."""
        images, *tiles = counts
        reach = tuple(n * m for n, m in zip(tiles, self.tiling.m))
        return self._analysis(images, reach, tuple(tiles), self.geometry.out_channels, self.grad_stages)

    def _analysis(
        self, images: int, reach: tuple[int, ...], tiles: tuple[int, ...], channels: int, stages: int
    ) -> Shapes:
        shapes = analysis_shapes(images, reach, tiles, self.tiling.t, channels)
        return [(images, channels, prod(reach) + APART)] * stages + shapes

    def shapes(self, counts: tuple[int, ...], channels: int) -> Shapes:
        """From a piece of x or grad_output to a piece of the result with `channels` channels."""
        images, *tiles = counts
        if self.problem.direction == "forward":
            apart = 0 if self.problem.channels_last else APART
            end = synthesis_shapes(images, tuple(tiles), self.tiling.m, self.tiling.t, channels, apart)
            return self.input_shapes(counts) + end
        end = folding_shapes(images, tuple(tiles), self.tiling.m, self.tiling.t, channels)
        return self.grad_shapes(counts) + end

    def weight_shapes(self, kernels: int) -> Shapes:
        """From kernels to their transforms, which go elsewhere; for the weight gradient from copies of these back."""
        kernel, t = self.geometry.kernel_size, self.tiling.t
        one = (1,) * len(kernel)
        if self.is_weight_grad:
            return synthesis_shapes(1, one, kernel, t, kernels)
        return analysis_shapes(1, kernel, one, t, kernels)[:-1]

    @property
    def _box_chains(self) -> list[Shapes]:
        """Shapes of the arrays of the largest box."""
        largest = self.tiling.largest
        if self.is_weight_grad:
            return [self.input_shapes(largest)[:-1], self.grad_shapes(largest)[:-1]]
        channels = self.weight_channels[1] * self.geometry.groups
        return [self.shapes(largest, -(-channels // self.slices))]

    @cached_property
    def scratch(self) -> tuple[int, int]:
        """Elements of a worker's two buffers."""
        kernels = max((g.stop - g.start) * (r.stop - r.start) for g, r in self.weight_ranges)
        return scratch_elements(self.weight_shapes(kernels * self.weight_channels[1]), *self._box_chains)

    @cached_property
    def workspace(self) -> int:
        """Bytes of all that is allocated."""
        g, products = self.geometry, self.tiling.products
        kernels = g.out_channels * g.group_in
        elements = sum(self.scratch) * self.workers + products * kernels
        if self.is_weight_grad:
            elements += products * self.round_tiles * (g.in_channels + g.out_channels)
            if self.round_tiles < prod(self.tiling.counts):
                elements += self.workers * self.products_at_once * kernels
        return elements * self.problem.itemsize
