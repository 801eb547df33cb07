"""Sums of products, against loops over all values of the letters."""

import itertools
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.testing import check_gradients


@st.composite
def formulas(draw, singles=False):
    """A formula without ellipsis and shapes that fit it; with `singles`, some axes have length 1 instead."""
    letters = string.ascii_lowercase[: draw(st.integers(1, 4))]
    lengths = {letter: draw(st.integers(1, 3)) for letter in letters}
    parts = [
        "".join(draw(st.lists(st.sampled_from(letters), max_size=3, unique=singles)))
        for _ in range(draw(st.integers(1, 3)))
    ]
    used = sorted(set("".join(parts)))
    result = "".join(draw(st.permutations(used))[: draw(st.integers(0, len(used)))])
    shapes = [tuple(1 if singles and draw(st.booleans()) else lengths[letter] for letter in part) for part in parts]
    return parts, result, shapes


def einsum_by_hand(parts, result, arrays):
    lengths = {}
    for part, array in zip(parts, arrays):
        for letter, n in zip(part, array.shape):
            lengths[letter] = max(lengths.get(letter, 1), n)
    value = np.zeros(tuple(lengths[letter] for letter in result))
    for numbers in itertools.product(*map(range, lengths.values())):
        at = dict(zip(lengths, numbers))
        product = 1.0
        for part, array in zip(parts, arrays):
            product *= array[tuple(at[letter] % n for letter, n in zip(part, array.shape))]
        value[tuple(at[letter] for letter in result)] += product
    return value


@given(formula=formulas(), seed=st.integers(0, 2**32 - 1))
def test_values_and_gradients(formula, seed):
    parts, result, shapes = formula
    equation = f"{','.join(parts)}->{result}"
    arrays = [np.random.default_rng(seed + i).standard_normal(shape) for i, shape in enumerate(shapes)]
    expected = einsum_by_hand(parts, result, arrays)
    np.testing.assert_allclose(sl.einsum(equation, *arrays), expected, atol=1e-12)
    check_gradients(lambda *operands: sl.einsum(equation, *operands), *arrays, seed=seed)


@given(formula=formulas(singles=True), seed=st.integers(0, 2**32 - 1))
def test_axes_of_length_1_are_repeated(formula, seed):
    parts, result, shapes = formula
    equation = f"{','.join(parts)}->{result}"
    arrays = [np.random.default_rng(seed + i).standard_normal(shape) for i, shape in enumerate(shapes)]
    expected = einsum_by_hand(parts, result, arrays)
    np.testing.assert_allclose(sl.einsum(equation, *arrays), expected, atol=1e-12)
    check_gradients(lambda *operands: sl.einsum(equation, *operands), *arrays, seed=seed)


@pytest.mark.parametrize(("equation", "shapes", "spelled"), [
    ("...ij,...jk->...ik", [(2, 3, 4), (4, 5)], "xij,jk->xik"),
    ("i...,...i", [(3, 2), (2, 3)], "ix,xi->x"),
    ("...,...", [(2, 3), (3,)], "xy,y->xy"),
    ("ij,jk", [(2, 3), (3, 4)], "ij,jk->ik"),
    ("ba", [(2, 3)], "ba->ab"),
    ("ii", [(3, 3)], "ii->"),
    (" i j -> j i ", [(2, 3)], "ij->ji"),
    ("...i->...", [(2, 3, 4)], "xyi->xy"),
    ("Ab,bA->A", [(2, 3), (3, 2)], "ab,ba->a"),
])  # fmt: skip
def test_ellipsis_and_formulas_without_an_arrow(equation, shapes, spelled):
    arrays = [np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate(shapes)]
    left, _, right = spelled.partition("->")
    expected = einsum_by_hand(left.split(","), right, arrays)
    np.testing.assert_allclose(sl.einsum(equation, *arrays), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtype_is_kept_and_half_computes_in_single(dtype):
    ones = np.ones((4096, 2), dtype)
    x = sl.Tensor(ones, requires_grad=True)
    y = sl.einsum("ij->j", x)
    assert y.dtype == dtype
    assert y.tolist() == [4096, 4096]
    sl.einsum("i,ij->j", np.ones(4096, dtype), x).sum().backward()
    assert x.grad.dtype == dtype


def test_operands_in_a_list_and_results_that_are_no_views():
    x = np.ones((2, 2))
    assert sl.einsum("ij,jk->ik", [x, x]).tolist() == [[2, 2], [2, 2]]
    for equation in ("ij->ji", "ii->i", "ij->ij"):
        assert not np.shares_memory(sl.einsum(equation, x), x)


@pytest.mark.parametrize(("equation", "shapes", "message"), [
    ("ij,jk->ik", [(2, 3)], "'ij,jk->ik' has 2 operands, but einsum got 1"),
    ("ij->ik", [(2, 3)], "must have letters of the operands, each once, but it is 'ik'"),
    ("ij->ii", [(2, 3)], "each once, but it is 'ii'"),
    ("ij->i", [(2, 3, 4)], r"'ij' in 'ij->i' must name every axis of its operand, but its shape is \(2, 3, 4\)"),
    ("ijk->i", [(2, 3)], "must name every axis"),
    ("ij,jk->ik", [(2, 3), (4, 5)], r"axes called 'j' in 'ij,jk->ik' must have one length, .* \(2, 3\), \(4, 5\)"),
    ("ii->i", [(2, 1)], "axes called 'i'"),
    ("...i,...i->...", [(2, 3), (4, 3)], r"axes called '\.\.\.'"),
    ("i;j", [(2, 3)], "must be letters, commas, one '...' for each operand"),
    ("i->j->k", [(2,)], "must be letters"),
])  # fmt: skip
def test_wrong_formulas(equation, shapes, message):
    with pytest.raises(sl.errors.ShapeError, match=message):
        sl.einsum(equation, *map(np.ones, shapes))


def test_wrong_dtypes():
    with pytest.raises(TypeError, match="operands of one dtype, but they are float64, float32"):
        sl.einsum("i,i->i", np.ones(2), np.ones(2, np.float32))
    with pytest.raises(TypeError, match="operands must be a float16, float32 or float64 array"):
        sl.einsum("i->i", [1, 2])
