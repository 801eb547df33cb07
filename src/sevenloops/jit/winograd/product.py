"""The products between the transforms: for each element of a transformed tile a small matrix product.

    out[m, n] = (out[m, n] +) Σ_k left[m, k] · right[k, n]

`right` has its rows of `vectors` vectors one after another in memory; of `left` the host says what lies side by side:
the terms k (left is transformed tiles, right transformed weights) or the rows m (the sums over tiles of the weight
gradient). The sums of a tile of rows · vectors stay in registers.
"""

from sevenloops.jit.llvm import Function, Program

__all__ = ["define_products", "most_rows"]

# Rows that share a pointer: x86 and ARM address a pointer, and one or two strides further, in the instruction itself.
_SHARING = 3


def most_rows(registers: int, vectors: int) -> int:
    """Return the rows of the tallest tile: the sums, a row of `right` and a number of `left` fit the registers."""
    return max(1, min(12 if vectors > 1 else 24, (registers - vectors - 2) // vectors))


def define_products(
    program: Program, name: str, most: int, vectors: int, products: int, *, adjacent_rows: bool
) -> Function:
    """Write the function that does `products` of them, each with tiles of at most `most` rows and of like heights.

    Returns
    -------
    Function
        With the parameters: left, left_product, left_stride, right, right_product, out, out_product, out_row, rows,
        count, resume. The strides called product lead from one product to the next; left_stride is that of rows, or
        with `adjacent_rows` that of terms; `resume` is 1 to add to what `out` has.
    """
    tiles = {
        height: _define_tile(program, f"{name}_{height}", height, vectors, adjacent_rows)
        for height in range(1, most + 1)
    }
    code = program.function(name, "piipipiiiii")
    left, left_product, left_stride, right, right_product, out, out_product, out_row, rows, count, resume = (
        code.arguments
    )
    row = code.integer(1) if adjacent_rows else left_stride
    tiles_needed = (rows + (most - 1)) // most
    tall = (rows + tiles_needed - 1) // tiles_needed
    short_tiles = tiles_needed * tall - rows
    tall_tiles = tiles_needed - short_tiles
    with code.loop(0, products) as product:
        a = code.address(left, product * left_product)
        b = code.address(right, product * right_product)
        c = code.address(out, product * out_product)
        for height, tile in tiles.items():
            with code.when(tall.equals(height)):
                with code.loop(0, tall_tiles) as i:
                    m = i * height
                    code.call(
                        tile,
                        code.address(a, m * row),
                        left_stride,
                        b,
                        code.address(c, m * out_row),
                        out_row,
                        count,
                        resume,
                    )
                if height > 1:
                    with code.loop(0, short_tiles) as i:
                        m = tall_tiles * height + i * (height - 1)
                        place = code.address(c, m * out_row)
                        code.call(
                            tiles[height - 1], code.address(a, m * row), left_stride, b, place, out_row, count, resume
                        )
    return code


def _define_tile(program: Program, name: str, rows: int, vectors: int, adjacent_rows: bool) -> Function:
    """Write a tile; parameters: left, left_stride, right, out, out_row, count, resume."""
    code = program.function(name, "pippiii")
    left, stride, right, out, out_row, count, resume = code.arguments
    lanes = code.lanes
    sums = [[code.variable(code.zero()) for _ in range(vectors)] for _ in range(rows)]
    with code.when(resume.equals(1)):
        for m in range(rows):
            for v in range(vectors):
                sums[m][v].set(code.load(out, out_row * m + v * lanes))
    shared = [left] if adjacent_rows else [code.address(left, stride * m) for m in range(0, rows, _SHARING)]
    with code.loop(0, count) as k:
        weights = code.address(right, k * (vectors * lanes))
        row = [code.load(weights, v * lanes) for v in range(vectors)]
        now = [code.address(pointer, k * stride if adjacent_rows else k) for pointer in shared]
        for m in range(rows):
            if adjacent_rows:
                number = code.load_real(now[0], m)
            else:
                number = code.load_real(now[m // _SHARING], stride * (m % _SHARING) if m % _SHARING else 0)
            spread = code.spread(number)
            for v in range(vectors):
                sums[m][v].set(code.fma(spread, row[v], sums[m][v].get()))
    for m in range(rows):
        for v in range(vectors):
            code.store(sums[m][v].get(), out, out_row * m + v * lanes)
    return code
