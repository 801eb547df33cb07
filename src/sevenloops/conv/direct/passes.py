"""Running multiplications: packed weights, scratch, addresses."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.direct.multiplication import Axis, Source, prepare
from sevenloops.geometry import ConvGeometry
from sevenloops.jit import multiply, pool, weights
from sevenloops.jit.weights import PackForm

__all__ = ["forward"]


@dataclass(frozen=True, slots=True)
class _Packing:
    """How the weights of a run are packed, but for the addresses."""

    kernel: int
    values: dict[str, int]
    offsets: Any
    places: Any
    items: int
    floats: int


@lru_cache(maxsize=1024)
def _packing(
    source: Source,
    taps: tuple[int, ...],
    out_stride: int,
    in_stride: int,
    group_stride: int,
) -> _Packing:
    """Prepare the packing for `prepare(source)`.

    `taps` has the place of each tap of the kernel (rows, then columns) in the source, in floats, in their order there.
    """
    run, s = prepare(source), source
    t = run.tiling
    in_group, out_group = s.channels // s.groups, s.out_channels // s.groups
    n_rows, n_columns = len(s.rows.offsets), len(s.columns.offsets)
    sizes = {"i": in_group, "r": n_rows, "c": n_columns}
    strides, step = {}, 1
    for letter in reversed(run.order):
        strides[letter] = step
        step *= sizes[letter]
    i, r, c = np.ix_(range(in_group), range(n_rows), range(n_columns))
    table = np.array(taps, np.int64).reshape(n_rows, n_columns)
    offsets = (i * in_stride + table[None]).reshape(-1)
    places = (i * strides["i"] + r * strides["r"] + c * strides["c"]).reshape(-1)
    order = np.argsort(offsets, kind="stable")
    offsets, places = offsets[order], places[order]
    if out_stride == 1 or out_group == 1:
        adjacent = "channels"
    elif np.array_equal(offsets, offsets[0] + np.arange(len(offsets))):
        adjacent = "terms"
    else:
        adjacent = "none"
    form = PackForm(s.itemsize, t.lanes, t.vectors, t.last_vectors, adjacent)
    terms = len(offsets)
    values = dict(
        terms=terms,
        groups=s.groups,
        source_group=group_stride,
        source_channel=out_stride,
        channel_blocks=t.blocks,
        block=terms * t.width,
        group=terms * t.padded,
        channels=out_group,
    )
    vectors = (t.blocks - 1) * t.vectors + t.last_vectors
    return _Packing(
        form.load(),
        values,
        np.ascontiguousarray(offsets, np.int64),
        np.ascontiguousarray(places, np.int64),
        vectors * s.groups,
        s.groups * terms * t.padded,
    )


def _address(array: Any) -> int:
    return array.__array_interface__["data"][0]


def _workspace(floats: int, dtype: Any) -> tuple[Any, int]:
    """Allocate, and return what holds the memory and an address in it that is a multiple of 64."""
    memory = runtime.empty((floats + 64 // dtype.itemsize,), dtype)
    address = _address(memory)
    return memory, address + -address % 64


def multiply_into(source: Source, x: int, packed: int, start: int, out: int, residual: int, dtype: Any) -> None:
    run = prepare(source)
    memory, scratch = _workspace(run.scratch_floats, dtype)
    args = multiply.ARGUMENTS.pack(
        {
            **run.values,
            "x": x + run.x_offset * source.itemsize,
            "w": packed,
            "start": start,
            "out": out,
            "residual": residual,
            "scratch": scratch,
            "segments": _address(run.segments),
            "terms": _address(run.terms),
        }
    )
    pool.run(run.kernel, args, run.items, run.grain, run.threads)
    del memory


def pack(packing: _Packing, weight: int, dtype: Any, threads: int) -> tuple[Any, int]:
    memory, packed = _workspace(packing.floats, dtype)
    args = weights.ARGUMENTS.pack(
        {
            **packing.values,
            "source": weight,
            "packed": packed,
            "offsets": _address(packing.offsets),
            "places": _address(packing.places),
        }
    )
    grain = max(1, -(-packing.items // (4 * threads)))
    if packing.floats < 8192:
        threads = 1
    pool.run(packing.kernel, args, packing.items, grain, threads)
    return memory, packed


@lru_cache(maxsize=1024)
def forward_source(g: ConvGeometry, itemsize: int, threads: int, xs: tuple[int, ...], os: tuple[int, ...]) -> Source:
    def axis(a: int) -> Axis:
        before = g.padding[a][0]
        return Axis(
            g.output_size[a],
            g.input_size[a],
            g.stride[a],
            tuple(k * g.dilation[a] - before for k in range(g.kernel_size[a])),
            xs[2 + a],
            os[2 + a],
        )

    one = Axis(1, 1, 1, (0,), 0, 0)
    rows, columns = (one, axis(0)) if g.axes == 1 else (axis(0), axis(1))
    return Source(
        g.batch, g.in_channels, g.out_channels, g.groups, rows, columns, xs[0], xs[1], os[0], itemsize, threads
    )


def _taps(g: ConvGeometry, ws: tuple[int, ...]) -> tuple[int, ...]:
    if g.axes == 1:
        return tuple(k * ws[2] for k in range(g.kernel_size[0]))
    return tuple(a * ws[2] + b * ws[3] for a in range(g.kernel_size[0]) for b in range(g.kernel_size[1]))


def forward(x: Array, weight: Array, bias: Array | None, out: Array, g: ConvGeometry, threads: int) -> None:
    size = x.itemsize
    xs = tuple(s // size for s in x.strides)
    ws = tuple(s // size for s in weight.strides)
    os = tuple(s // size for s in out.strides)
    source = forward_source(g, size, threads, xs, os)
    packing = _packing(source, _taps(g, ws), ws[0], ws[1], ws[0] * g.group_out)
    start = bias if bias is not None else np.zeros(g.out_channels, x.dtype)
    start = np.ascontiguousarray(start)
    memory, packed = pack(packing, _address(weight), x.dtype, threads)
    multiply_into(source, _address(x), packed, _address(start), _address(out), _address(out), x.dtype)
