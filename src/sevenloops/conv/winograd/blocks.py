"""How a convolution is cut for Winograd's kernels in machine code: tiles, blocks, panels of channels, scratch."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil

from sevenloops.conv.winograd.transforms import Transforms, cook_toom
from sevenloops.jit import target
from sevenloops.jit.arguments import Layout
from sevenloops.jit.ending import NOTHING, Ending
from sevenloops.jit.winograd import forward, gradient
from sevenloops.jit.winograd.forward import ForwardForm
from sevenloops.jit.winograd.gradient import GradientForm
from sevenloops.jit.winograd.weights import Adjacent

__all__ = ["LINE", "Blocks", "Layer", "Side", "by_channels", "prepare", "prepare_gradient"]

LINE = 64
"""Bytes of a cache line: where workspaces begin."""

# Measured on cores with 1 MB of second-level cache: bytes of a block's transformed inputs; tiles that share a block
# where all are transformed first; tiles whose products are added at once; terms whose weights, or sums, are held.
_BLOCK_BYTES = 440_000
_TILES_SHARED = 64
_TILES_SUMMED = 32
_TERMS = 128

#: The finite points of F(4, 3): in pairs, whose symmetry saves additions, each near the inverse of another. Of eleven
#: sets this had the least error, 2.8e-6 with 256 channels; textbooks' 0, ±1, ±2 have 1.3e-5, and 0, ±1, 1/2, -2 have
#: 4.7e-6.
_POINTS = (Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2))


@dataclass(frozen=True, slots=True)
class Side:
    """An array of images with adjacent channels: its size, and its strides of images, rows, columns in floats."""

    size: tuple[int, int]
    strides: tuple[int, int, int]

    @classmethod
    def of(cls, size: tuple[int, ...], strides: tuple[int, ...]) -> "Side":
        """Return that of an array (N, C, *size) with these strides."""
        return cls((size[0], size[1]), (strides[0], strides[2], strides[3]))

    def values(self, prefix: str, before: tuple[int, int]) -> dict[str, int]:
        """Return what the kernels are told of it."""
        (image, row, column), (height, width) = self.strides, self.size
        parts = dict(image=image, row=row, column=column, height=height, width=width)
        parts |= dict(before_row=before[0], before_column=before[1])
        return {f"{prefix}_{name}": value for name, value in parts.items()}


@dataclass(frozen=True, slots=True)
class Layer:
    """A correlation of stride 1: `terms` input channels, `channels` output channels.

    `weights` has the strides of output channels, input channels, kernel rows and columns; `before` is the padding.
    """

    images: int
    terms: int
    channels: int
    kernel: tuple[int, int]
    before: tuple[int, int]
    source: Side
    target: Side
    weights: tuple[int, ...]
    flipped: bool
    itemsize: int
    threads: int
    ending: Ending = NOTHING


@dataclass(frozen=True, slots=True)
class Blocks:
    """A layer ready to run.

    Attributes
    ----------
    steps : tuple of (kernel, items, grain)
    layout, values
        What the kernels are told, but for the addresses.
    floats, shared : int
        Those of the workspace, and where in it begins what the threads share: transformed weights, tiles or sums.
    products : int
        Matrix products, one for each element of a transformed tile.
    read_terms, read_channels : int
        How often a tile's terms and channels are transformed.
    """

    steps: tuple[tuple[int, int, int], ...]
    layout: Layout
    values: dict[str, int]
    floats: int
    shared: int
    products: int
    read_terms: int = 1
    read_channels: int = 1


@lru_cache(maxsize=1024)
def prepare(layer: Layer) -> Blocks:
    """Choose the tiles, the order, and the blocks."""
    s = layer
    form, products = _form(s)
    lanes, vectors, width = form.lanes, form.vectors, form.lanes * form.vectors
    m = tuple(len(matrix) for matrix in form.outputs)
    taps = s.kernel[0] * s.kernel[1]
    across, down = -(-s.target.size[1] // m[1]), -(-s.target.size[0] // m[0])
    tiles = s.images * across * down
    panels = -(-s.channels // width)
    # Rows of tiles a power of two apart would share cache sets.
    v_tile = -(-s.terms // lanes) * lanes + lanes
    weight_floats = products * s.terms * panels * width
    tile_floats = products * tiles * v_tile

    shared_tiles = by_channels(s, tile_floats, weight_floats, panels)
    if shared_tiles:
        at_once = _even(tiles, _TILES_SHARED)
        panels_at_once = 1
        terms_at_once = _even(s.terms, _TERMS * 4 // s.itemsize)
    else:
        fitting = _BLOCK_BYTES // (products * v_tile * s.itemsize)
        at_once = _even(tiles, max(4, min(fitting // 12 * 12 or 12, 48)))
        panels_at_once = min(panels, 2)
        terms_at_once = 32  # of an item that only transforms
    blocks = -(-tiles // at_once)
    term_blocks = -(-s.terms // terms_at_once)
    # Strides of what is read or written for all products at a time: an odd number of cache lines.
    m_tile = panels_at_once * width
    m_product = _odd(at_once * m_tile, s.itemsize)
    v_product = _odd(at_once * v_tile, s.itemsize)
    held = terms_at_once if shared_tiles else s.terms
    u_product = _odd(held * width, s.itemsize)
    several = shared_tiles and term_blocks > 1
    m_block = products * m_product if several else 0
    m_floats = products * m_product * (blocks if several else 1)
    v_block = products * v_product
    gathered = _odd(taps * lanes, s.itemsize)
    if shared_tiles:
        m_offset = gathered
        u_offset = m_offset + m_floats
        scratch = u_offset + products * u_product * panels_at_once
        shared = v_block * blocks
    else:
        m_offset = max(v_block, gathered)
        u_offset = 0
        scratch = m_offset + m_floats
        shared = products * u_product * panels
    scratch = -(-scratch * s.itemsize // 4096) * 4096 // s.itemsize
    values = dict(
        **s.source.values("x", s.before),
        **s.target.values("out", (0, 0)),
        w_lane=s.weights[0],
        w_term=s.weights[1],
        w_row=s.weights[2],
        w_column=s.weights[3],
        tiles=tiles,
        tiles_in_image=across * down,
        tiles_across=across,
        tiles_at_once=at_once,
        terms=s.terms,
        terms_at_once=terms_at_once,
        channels=s.channels,
        panels=panels,
        panels_at_once=panels_at_once,
        u_panel=products * u_product,
        u_product=u_product,
        v_block=v_block,
        v_product=v_product,
        v_tile=v_tile,
        m_block=m_block,
        m_product=m_product,
        m_tile=m_tile,
        scratch_floats=scratch,
        m_offset=m_offset,
        u_offset=u_offset,
    )
    if shared_tiles:
        steps = (
            (form.load("read"), tiles, max(1, min(4, tiles // (4 * s.threads)))),
            (form.load("channels"), -(-panels // panels_at_once), 1),
        )
    else:
        steps = ((form.load("weights"), panels * vectors * term_blocks, 1), (form.load("tiles"), blocks, 1))
    return Blocks(steps, forward.ARGUMENTS, values, scratch * s.threads + shared, scratch * s.threads, products)


def _form(layer: Layer) -> tuple[ForwardForm, int]:
    """Return the kernels for a layer, and the number of products of a tile."""
    s = layer
    lanes = target.current().vector_bytes // s.itemsize
    # F(6, 3) would save a tenth of the products at most, and errs five times as much.
    steps = (1 if r == 1 else 2 if size <= 2 else 4 for r, size in zip(s.kernel, s.target.size))
    rows, columns = (_transforms(m, r) for m, r in zip(steps, s.kernel))
    adjacent: Adjacent = "none"
    if s.weights[0] == 1 and s.channels > 1:
        adjacent = "lanes"
    elif s.weights[3] == 1 and s.weights[2] == s.kernel[1]:
        adjacent = "taps"
    form = ForwardForm(
        s.itemsize,
        lanes,
        2 if s.channels > lanes else 1,
        (rows.input, columns.input),
        (rows.kernel, columns.kernel),
        (rows.output, columns.output),
        adjacent,
        s.flipped,
        s.ending,
    )
    return form, len(rows.input) * len(columns.input)


@lru_cache(maxsize=1024)
def prepare_gradient(layer: Layer) -> Blocks:
    """Choose the blocks of the weight gradient; `weights` has the strides of the result, `target` is grad_output."""
    s = layer
    of_forward, products = _form(s)
    lanes, vectors, width = of_forward.lanes, of_forward.vectors, of_forward.lanes * of_forward.vectors
    m = tuple(len(matrix) for matrix in of_forward.outputs)
    taps = s.kernel[0] * s.kernel[1]
    across, down = -(-s.target.size[1] // m[1]), -(-s.target.size[0] // m[0])
    tiles = s.images * across * down
    panels = -(-s.channels // width)
    panels_at_once = min(panels, 2)
    panel_groups = -(-panels // panels_at_once)
    terms_at_once = _even(s.terms, _TERMS * 4 // s.itemsize)
    terms_at_once = min(s.terms, -(-terms_at_once // lanes) * lanes)
    pairs = panel_groups * -(-s.terms // terms_at_once)
    at_once = _even(tiles, _TILES_SUMMED)
    slices = 1
    if pairs < 3 * s.threads:
        slices = min(ceil(tiles / at_once), ceil(3 * s.threads / pairs))
    slice_tiles = ceil(ceil(tiles / slices) / at_once) * at_once
    slices = -(-tiles // slice_tiles)
    v_tile = -(-terms_at_once // lanes) * lanes
    v_product = _odd(at_once * v_tile, s.itemsize)
    m_product = _odd(at_once * width, s.itemsize)
    s_product = _odd(terms_at_once * width, s.itemsize)
    s_pair = products * s_product * panels_at_once
    m_offset = max(products * v_product, taps * lanes)
    scratch = m_offset + products * m_product * panels_at_once
    scratch = -(-scratch * s.itemsize // 4096) * 4096 // s.itemsize
    rows_at_once = 8
    form = GradientForm(
        s.itemsize,
        lanes,
        vectors,
        of_forward.inputs,
        of_forward.kernels,
        of_forward.outputs,
        of_forward.adjacent,
        slices > 1,
    )
    values = dict(
        **s.source.values("x", s.before),
        **s.target.values("out", (0, 0)),
        w_lane=s.weights[0],
        w_term=s.weights[1],
        w_row=s.weights[2],
        w_column=s.weights[3],
        tiles=tiles,
        tiles_in_image=across * down,
        tiles_across=across,
        tiles_at_once=at_once,
        slices=slices,
        slice_tiles=slice_tiles,
        terms=s.terms,
        terms_at_once=terms_at_once,
        channels=s.channels,
        panels=panels,
        panels_at_once=panels_at_once,
        panel_groups=panel_groups,
        v_product=v_product,
        v_tile=v_tile,
        m_panel=products * m_product,
        m_product=m_product,
        s_panel=products * s_product,
        s_product=s_product,
        s_pair=s_pair,
        scratch_floats=scratch,
        m_offset=m_offset,
        rows_at_once=rows_at_once,
    )
    steps = [(form.load("sum"), pairs * slices, 1)]
    if slices > 1:
        steps.append((form.load("finish"), pairs * -(-terms_at_once // rows_at_once), 1))
    sums = s_pair * (pairs * slices if slices > 1 else s.threads)
    return Blocks(
        tuple(steps),
        gradient.ARGUMENTS,
        values,
        scratch * s.threads + sums,
        scratch * s.threads,
        products,
        panel_groups,
        -(-s.terms // terms_at_once),
    )


def by_channels(layer: Layer, tile_floats: int, weight_floats: int, panels: int) -> bool:
    """Return whether to hold all transformed tiles rather than all transformed weights."""
    return tile_floats < weight_floats and panels >= 2 * layer.threads


def _even(count: int, most: int) -> int:
    """Return the size of parts of at most `most`, all about as large."""
    return -(-count // -(-count // most))


def _odd(floats: int, itemsize: int) -> int:
    """Round up to an odd number of cache lines, so that places one such stride apart do not share a cache set."""
    lines = -(-floats * itemsize // LINE)
    return (lines | 1) * LINE // itemsize


def _transforms(m: int, r: int) -> Transforms:
    return cook_toom(m, r, _POINTS if m + r == 7 else None)
