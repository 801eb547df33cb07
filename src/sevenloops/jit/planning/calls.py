"""Calls of kernels that only lack the addresses of arrays: worked out once for a layer, then done every time."""

import ctypes
from math import ceil
from typing import Any
from weakref import ref

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.frozen import is_frozen
from sevenloops.jit import depthwise as kernels
from sevenloops.jit import multiply, pool, weights
from sevenloops.jit.addresses import address
from sevenloops.jit.arguments import Layout
from sevenloops.jit.ending import NOTHING, Ending
from sevenloops.jit.planning import correlation, depthwise, multiplication
from sevenloops.jit.planning.bounds import correlation_floats, multiplication_floats
from sevenloops.jit.planning.packing import Packing, WeightPlaces, packing, unpacking
from sevenloops.jit.planning.view import Source

__all__ = ["Call", "CorrelateCall", "MultiplyCall", "address", "in_floats"]

_LINE = 64  # bytes of a cache line


def in_floats(array: Array) -> tuple[int, ...]:
    """Return an array's strides, in elements."""
    size = array.itemsize
    return tuple([stride // size for stride in array.strides])


def _workspace(bytes_: int) -> tuple[Array, int]:
    """Allocate; return what holds the memory, and an address in it that is a multiple of a cache line."""
    memory = runtime.empty(((bytes_ + _LINE) // 8,), np.float64)
    start = address(memory)
    return memory, start + -start % _LINE


def _lines(floats: int, itemsize: int) -> int:
    """Return the bytes of so many floats, in whole cache lines."""
    return ceil(floats * itemsize / _LINE) * _LINE


def _bytes_of(first: int, second: int, source: Source) -> int:
    """Return the bytes of a workspace of two parts, which begins at a multiple of a cache line."""
    return _lines(first, source.itemsize) + _lines(second, source.itemsize) + _LINE


class Call:
    """A kernel, its arguments but for some addresses, and how its items are shared out."""

    def __init__(
        self, form: Any, layout: Layout, values: dict[str, int], items: int, grain: int, threads: int
    ) -> None:
        self._kernel: int = form.load()
        self._arguments = layout.pack({**dict.fromkeys(layout.pointers, 0), **values})
        self._type = type(self._arguments)
        self._places = layout.place
        self._items, self._grain, self._threads = items, grain, threads

    def run(self, **addresses: int) -> None:
        """Call it; the addresses are those of the arguments that are not known before."""
        arguments = self._type.from_buffer_copy(self._arguments)
        for name, value in addresses.items():
            arguments[self._places[name]] = value
        pool.run(self._kernel, ctypes.addressof(arguments), self._items, self._grain, self._threads)


def _packing_call(way: Packing, layout: Layout, **more: int) -> Call:
    tables = {"offsets": address(way.offsets), "places": address(way.places)}
    grain = max(1, ceil(way.items / (4 * way.threads)))
    return Call(way.form, layout, {**way.values, **tables, **more}, way.items, grain, way.threads)


class MultiplyCall:
    """The multiplication of an input by weights, which are packed every time.

    Attributes
    ----------
    workspace : int
        Bytes that a call allocates.
    """

    def __init__(self, source: Source, places: WeightPlaces, dtype: np.dtype[Any], ending: Ending = NOTHING) -> None:
        prepared: multiplication.Multiplication | depthwise.Depthwise
        if depthwise.is_depthwise(source):
            prepared = depthwise.prepare(source, ending)
            layer, places = depthwise.as_layer(source, places)
            way = packing(layer, "rci", prepared.tiling, places)
            layout, tables = kernels.FORWARD, {}
        else:
            prepared = multiplication.prepare(source, ending)
            way = packing(source, prepared.order, prepared.tiling, places)
            layout, tables = multiply.ARGUMENTS, {"terms": address(prepared.terms)}
        self._keep = (prepared, way)  # their tables, of which the kernels have the addresses
        self._pack = _packing_call(way, weights.ARGUMENTS)
        values = {**prepared.values, "segments": address(prepared.segments), **tables}
        self._multiply = Call(prepared.form, layout, values, prepared.items, 1, source.threads)
        self._zeros = np.zeros(source.out_channels, dtype)
        self._zero = address(self._zeros)
        self._kept: dict[int, tuple[ref[Array], Array, int]] = {}
        self._x_offset = prepared.x_offset * source.itemsize
        self._packed_bytes = _lines(way.floats, source.itemsize)
        self._bytes = self._packed_bytes + _lines(prepared.scratch, source.itemsize)

    @staticmethod
    def workspace(source: Source) -> int:
        """Return how many bytes a call allocates at most, whatever the strides of its arrays."""
        return _bytes_of(*multiplication_floats(source), source)

    def run(
        self,
        x: int,
        weight: Array,
        bias: Array | None,
        out: int,
        scale: Array | None = None,
        residual: int = 0,
    ) -> None:
        """Multiply; x, out and residual are the addresses of the arrays' first elements."""
        if is_frozen(weight):
            packed = self._packed_once(weight)
            memory, scratch = _workspace(self._bytes - self._packed_bytes)
        else:
            memory, packed = _workspace(self._bytes)
            scratch = packed + self._packed_bytes
            self._pack.run(source=address(weight), packed=packed)
        if bias is not None and not bias.flags.c_contiguous:
            bias = bias.copy()
        if scale is not None and not scale.flags.c_contiguous:
            scale = scale.copy()
        self._multiply.run(
            x=x + self._x_offset,
            w=packed,
            start=self._zero if bias is None or scale is not None else address(bias),
            scale=self._zero if scale is None else address(scale),
            bias=self._zero if bias is None else address(bias),
            out=out,
            residual=residual,
            scratch=scratch,
        )
        del memory

    def _packed_once(self, weight: Array) -> int:
        """Return where the packed weights of a frozen array are, which are kept for as long as there is the array."""
        key = id(weight)
        kept = self._kept.get(key)
        if kept is None or kept[0]() is not weight:
            memory, start = _workspace(self._packed_bytes)
            self._pack.run(source=address(weight), packed=start)
            drop = self._kept.pop
            kept = self._kept[key] = (ref(weight, lambda _: drop(key, None)), memory, start)
        return kept[2]


class CorrelateCall:
    """The gradient of a weight."""

    def __init__(self, source: Source, places: WeightPlaces) -> None:
        prepared: correlation.Correlation | depthwise.Depthwise
        if depthwise.is_depthwise(source):
            prepared = depthwise.prepare_gradient(source)
            layer, places = depthwise.as_layer(source, places)
            way = unpacking(layer, "rci", prepared.tiling, places)
            layout = kernels.GRADIENT
        else:
            prepared = correlation.prepare(source)
            way = unpacking(source, prepared.order, prepared.tiling, places)
            layout = prepared.layout
        self._keep = (prepared, way)
        values = {**prepared.values, "segments": address(prepared.segments)}
        self._correlate = Call(prepared.form, layout, values, prepared.items, 1, source.threads)
        slices = {"slices": prepared.slices, "slice": prepared.values["sum_slice"]}
        self._unpack = _packing_call(way, weights.UNPACK, **slices)
        self._x_offset = prepared.x_offset * source.itemsize
        self._sums_bytes = _lines(prepared.slices * prepared.values["sum_slice"], source.itemsize)
        self._bytes = self._sums_bytes + _lines(prepared.scratch, source.itemsize)

    @staticmethod
    def workspace(source: Source) -> int:
        """Return how many bytes a call allocates at most, whatever the strides of its arrays."""
        return _bytes_of(*correlation_floats(source), source)

    def run(self, x: int, grad: int, out: int) -> None:
        """Add up the products; the arguments are the addresses of the arrays' first elements."""
        memory, start = _workspace(self._bytes)
        self._correlate.run(x=x + self._x_offset, grad=grad, sums=start, scratch=start + self._sums_bytes)
        self._unpack.run(packed=start, target=out)
        del memory
