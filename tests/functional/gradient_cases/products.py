"""Gradient cases of matrix products and sums of products."""

import sevenloops as sl


def normal(function, *shapes):
    return lambda rng: (function, [rng.standard_normal(shape) for shape in shapes])


CASES = {
    f"matmul of {left} and {right}": normal(sl.matmul, left, right)
    for left, right in (
        ((4, 3), (3, 2)),
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 1, 4, 3), (5, 3, 2)),
        ((2, 4, 3), (3, 2)),
        ((4, 0), (0, 2)),
    )
}
CASES |= {
    f"einsum {equation}": normal(lambda *operands, equation=equation: sl.einsum(equation, *operands), *shapes)
    for equation, *shapes in (
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("ij,jk", (2, 3), (3, 4)),
        ("bij,bjk,bk->i", (2, 3, 4), (2, 4, 2), (2, 2)),
        ("ij->ji", (2, 3)),
        ("ij->", (2, 3)),
        ("ba", (2, 3)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("iij,ij->j", (3, 3, 2), (3, 2)),
        ("ij,kl->ik", (2, 3), (4, 2)),
        ("ij,kl->k", (2, 3), (4, 2)),
        ("i,->i", (3,), ()),
        ("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
        ("i...,i...->...", (3, 2, 1), (3, 4)),
        ("...i->...", (2, 3)),
        ("...", (2, 3)),
        ("ij,ij->i", (2, 1), (2, 3)),
        ("ij,ij->ij", (1, 3), (2, 1)),
        ("ij,j->i", (2, 0), (0,)),
        ("i,i,i->i", (3,), (3,), (3,)),
    )
}
CASES["einsum of one operand with itself"] = normal(lambda x: sl.einsum("ij,ik->jk", x, x), (3, 2))
