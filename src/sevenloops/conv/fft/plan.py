"""The FFT algorithm for one problem: its tiles, its units of work, and the arrays that it allocates.

A tile is some outputs along each axis and the inputs that their windows cover. The transforms of an axis have one
length, at least that of a tile's inputs. Tiles are transformed some at a time, a round; their spectra are kept with
the frequencies outermost, for the products over the channels.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from sevenloops import runtime
from sevenloops.conv.pieces import split
from sevenloops.conv.problem import ConvProblem
from sevenloops.geometry import ConvGeometry

__all__ = ["FftPlan", "Tile"]


class Tile(NamedTuple):
    """The same tile of some images."""

    images: slice
    starts: tuple[int, ...]  # where it begins along each axis, in outputs
    numbers: slice  # its places among the tiles of a round, one for each image


@dataclass(frozen=True)
class FftPlan:
    """How a problem is cut up.

    Attributes
    ----------
    problem : ConvProblem
    outputs : tuple of int
        Outputs of a tile along each axis.
    lengths : tuple of int
        Of the transforms along each axis.
    at_once : int
        Tiles of a round, counted for each image.
    workers : int
        Threads with buffers of their own.
    """

    problem: ConvProblem
    outputs: tuple[int, ...]
    lengths: tuple[int, ...]
    at_once: int
    workers: int

    # --- sizes ---------------------------------------------------------------------------------------------------

    @property
    def geometry(self) -> ConvGeometry:
        """The problem's geometry."""
        return self.problem.geometry

    @cached_property
    def complex_dtype(self) -> np.dtype[Any]:
        """The dtype of spectra."""
        return np.result_type(self.problem.dtype, np.complex64)

    @cached_property
    def reach(self) -> tuple[int, ...]:
        """Inputs that a tile's windows cover, per axis."""
        g = self.geometry
        return tuple((q - 1) * s + e for q, s, e in zip(self.outputs, g.stride, g.effective_kernel))

    @cached_property
    def spectrum_shape(self) -> tuple[int, ...]:
        """Of the transform of real data: along the last axis, only the frequencies that are not negative."""
        return (*self.lengths[:-1], self.lengths[-1] // 2 + 1)

    @cached_property
    def frequencies(self) -> int:
        """Elements of a spectrum."""
        return prod(self.spectrum_shape)

    @cached_property
    def tile_count(self) -> int:
        """Tiles, counted for each image."""
        return self.geometry.batch * prod(-(-out // q) for out, q in zip(self.geometry.output_size, self.outputs))

    def input_starts(self, tile: Tile) -> list[int]:
        """Return where a tile's inputs begin in x; before it, too."""
        g = self.geometry
        return [start * s - before for start, s, (before, _) in zip(tile.starts, g.stride, g.padding)]

    # --- units of work -------------------------------------------------------------------------------------------

    @cached_property
    def rounds(self) -> list[list[Tile]]:
        """All tiles, in rounds."""
        g = self.geometry
        starts = list(product(*(range(0, out, q) for out, q in zip(g.output_size, self.outputs))))
        rounds: list[list[Tile]] = []
        end = self.at_once
        for images, place in product(split(g.batch, -(-g.batch // self.images_at_once)), starts):
            count = images.stop - images.start
            if end + count > self.at_once:
                rounds.append([])
                end = 0
            rounds[-1].append(Tile(images, place, slice(end, end + count)))
            end += count
        return rounds

    @cached_property
    def images_at_once(self) -> int:
        """Images whose tiles a worker transforms together, where all their channels fit into a core's cache."""
        g = self.geometry
        fit = self.channels_at_once // max(g.in_channels, g.out_channels)
        return max(min(fit, self.at_once, -(-g.batch // self.workers)), 1)

    @cached_property
    def channels_at_once(self) -> int:
        """Channels that a worker transforms together: as many as fit into a core's cache."""
        return max(runtime.CACHE_BYTES // (self.frequencies * self.complex_dtype.itemsize), 1)

    def channel_slices(self, channels: int, times: int) -> list[slice]:
        """Cut channels for the cache, and so that there is work for all workers if it is done `times` over."""
        parts = max(-(-channels // self.channels_at_once), -(-self.workers // times))
        return split(channels, min(parts, channels))

    def units(self, tiles: list[Tile], channels: int) -> list[tuple[Tile, slice]]:
        """Return the tiles of a round, each for ranges of channels."""
        return list(product(tiles, self.channel_slices(channels, len(tiles))))

    @property
    def kernel_slices(self) -> list[tuple[slice, slice, slice]]:
        """Groups, and output and input channels of a group, whose kernels are transformed together."""
        g = self.geometry
        if g.is_depthwise:
            return [(part, slice(0, 1), slice(0, 1)) for part in self.channel_slices(g.groups, 1)]
        inputs = split(g.group_in, -(-g.group_in // self.channels_at_once))
        rows = max(self.channels_at_once // -(-g.group_in // len(inputs)), 1)
        outputs = split(g.group_out, -(-g.group_out // rows))
        return [(slice(i, i + 1), *pair) for i in range(g.groups) for pair in product(outputs, inputs)]

    @property
    def frequency_slices(self) -> list[slice]:
        """Frequencies whose products a worker takes together."""
        return split(self.frequencies, min(4 * self.workers, self.frequencies))

    # --- memory --------------------------------------------------------------------------------------------------

    @cached_property
    def scratch(self) -> tuple[int, int]:
        """Elements of a worker's buffers, the real one and the complex one."""
        g = self.geometry
        rows = {"forward": self.outputs, "input_grad": self.reach, "weight_grad": g.kernel_size}
        # A tile before its transforms; its last inverse transforms, only in the rows that are wanted.
        reals = max(prod(self.reach), prod(rows[self.problem.direction][:-1]) * self.lengths[-1])
        most = max(g.batch * max(g.in_channels, g.out_channels), g.group_in * g.group_out)
        channels = min(most, self.channels_at_once)
        return channels * reals, channels * self.frequencies

    @cached_property
    def tile_bytes(self) -> int:
        """Bytes of the spectra of a tile, of all channels."""
        g = self.geometry
        doubled = self.problem.direction == "weight_grad" and not g.is_depthwise
        channels = g.in_channels * (2 if doubled else 1) + g.out_channels
        return channels * self.frequencies * self.complex_dtype.itemsize

    @cached_property
    def workspace(self) -> int:
        """Bytes of all that is allocated."""
        g = self.geometry
        reals, complexes = self.scratch
        kernels = g.out_channels * g.group_in
        is_weight_grad = self.problem.direction == "weight_grad"
        spectra = self.workers * complexes
        spectra += self.frequencies * kernels * (1 if g.is_depthwise or is_weight_grad else 2)
        if is_weight_grad and self.at_once < self.tile_count:
            spectra += self.workers * -(-self.frequencies // len(self.frequency_slices)) * kernels
        spectra *= self.complex_dtype.itemsize
        return spectra + self.at_once * self.tile_bytes + self.workers * reals * self.problem.itemsize
