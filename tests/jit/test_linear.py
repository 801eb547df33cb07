"""The fully connected layer in machine code, against the definition in float64; arrays lie in memory in every way."""

from itertools import product

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import affine, runtime
from sevenloops.affine import machine
from tests.jit.arranged import ARRANGEMENTS, arranged
from tests.jit.guarded import guarded

pytest.importorskip("llvmlite")

from sevenloops.jit.planning import linear as planned

DTYPES = ("float32", "float64")
DIRECTIONS = ("forward", "input_grad", "weight_grad")
# (rows, inputs, outputs): ones, and lengths around vectors of 4, 8 and 16.
SIZES = ((1, 1, 1), (1, 33, 2), (3, 1, 17), (2, 7, 1), (13, 9, 8), (17, 15, 16), (31, 16, 65), (12, 130, 5))
# Long enough for the terms to be copied side by side, in one piece and in several, and for several threads.
LARGE = ((150, 600, 33), (129, 65, 96))


@pytest.fixture
def small(monkeypatch):
    """Machine code for small products too, and on as many threads as there are."""
    monkeypatch.setattr(machine, "_SMALL", -1)
    monkeypatch.setattr(machine, "_FEW_ROWS", 0)
    monkeypatch.setattr(planned, "worth_threads", lambda work, threads: threads)
    yield
    planned._product.cache_clear()
    planned._sums.cache_clear()


@pytest.fixture
def threads():
    before = runtime.get_num_threads()
    yield runtime.set_num_threads
    runtime.set_num_threads(before)


def kernels():
    return {
        "forward": machine.linear,
        "input_grad": machine.linear_input_grad,
        "weight_grad": machine.linear_weight_grad,
    }


def operands(direction, size, dtype, seed=0):
    """Return what a kernel is given but for the result, and the result's shape."""
    rows, inputs, outputs = size
    rng = np.random.default_rng(seed)
    x, weight, grad = (
        rng.standard_normal(shape).astype(dtype) for shape in ((rows, inputs), (outputs, inputs), (rows, outputs))
    )
    bias = rng.standard_normal(outputs).astype(dtype)
    return {
        "forward": ((x, weight, bias), (rows, outputs)),
        "input_grad": ((grad, weight), (rows, inputs)),
        "weight_grad": ((grad, x), (outputs, inputs)),
    }[direction]


def definition(direction, first, second, bias=None):
    """Return the result in float64, and the sum of the terms' magnitudes."""
    first, second = (np.asarray(a, np.float64) for a in (first, second))
    letters = {"forward": "mi,oi->mo", "input_grad": "mo,oi->mi", "weight_grad": "mo,mi->oi"}[direction]
    shift = 0 if bias is None else np.asarray(bias, np.float64)
    return (
        np.einsum(letters, first, second, optimize=True) + shift,
        np.einsum(letters, np.abs(first), np.abs(second), optimize=True) + np.abs(shift),
    )


def close(out, expected, size, dtype):
    assert (np.abs(out - expected) <= {"float32": 4e-6, "float64": 1e-14}[dtype] * size).all()


def used(monkeypatch, name):
    """Count the calls of a function of the planning module."""
    calls, function = [], getattr(planned, name)
    monkeypatch.setattr(planned, name, lambda *a: (calls.append(a), function(*a))[1])
    return calls


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_small_products_in_all_memory(direction, dtype, small, monkeypatch):
    calls = used(monkeypatch, direction)
    for number, size in enumerate(SIZES):
        given, shape = operands(direction, size, dtype)
        for (first, second), order in product(product(ARRANGEMENTS, repeat=2), ((0, 1), (1, 0))):
            arrays = [arranged(given[0], first), arranged(given[1], second)]
            bias = () if direction != "forward" else (None if number % 2 else arranged(given[2], first),)
            wanted = definition(direction, *arrays, *bias)
            with guarded(shape, dtype, order) as out:
                kernels()[direction](*arrays, *(bias or ()), out)
                close(out, *wanted, dtype)
    assert len(calls) >= len(SIZES) * len(ARRANGEMENTS) ** 2  # rows of the result that are no rows go to NumPy


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_large_products_by_all_threads(direction, dtype, small, threads):
    for size, count in product(LARGE, (1, 2, 3)):
        threads(count)
        given, shape = operands(direction, size, dtype)
        for how in ("plain", "turned", "in rows"):
            arrays = [arranged(a, how) for a in given]
            wanted, results = definition(direction, *arrays), []
            for _ in range(2):
                with guarded(shape, dtype) as out:
                    kernels()[direction](*arrays, out)
                    close(out, *wanted, dtype)
                    results.append(out.tobytes())
            assert results[0] == results[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_rows_by_weights_as_they_lie(dtype, small, threads, monkeypatch):
    """The kernel without packing: any number of rows up to twelve, any lengths."""
    monkeypatch.setattr(planned, "_MANY_WEIGHTS", 0)
    calls = used(monkeypatch, "_dot")
    for rows, (inputs, outputs) in product(range(1, 14), ((1, 1), (1, 5), (7, 3), (16, 9), (33, 4), (131, 23))):
        threads(1 + rows % 3)
        (x, weight, bias), shape = operands("forward", (rows, inputs, outputs), dtype)
        for how in ("plain", "in rows", "repeated"):
            arrays = [arranged(x, how), arranged(weight, how)]
            for shift, order in ((None, (0, 1)), (arranged(bias, "apart"), (0, 1)), (bias, (1, 0))):
                if order == (1, 0) and (how == "repeated" or rows == 13):
                    continue  # the other kernel, which writes rows
                wanted = definition("forward", *arrays, shift)
                with guarded(shape, dtype, order) as out:
                    planned.forward(*arrays, shift, out, runtime.get_num_threads())
                    close(out, *wanted, dtype)
    assert {a[0][0] for a in calls} == set(range(1, 13))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_what_is_not_finite_comes_out_as_in_numpy(direction, dtype, small, threads):
    threads(2)
    for size in ((9, 33, 20), (40, 60, 50)):
        given, shape = operands(direction, size, dtype)
        for value, place in product((np.nan, np.inf, -np.inf), (0, -1)):
            first, second = (a.copy() for a in given[:2])
            first.flat[place] = value
            second.flat[7] = np.inf
            second[:, 3] = 0  # zero times infinity
            out, plain = (np.empty(shape, dtype) for _ in range(2))
            bias = () if direction != "forward" else (None,)
            with np.errstate(all="ignore"):
                kernels()[direction](first, second, *bias, out)
                {"forward": affine.linear, "input_grad": affine.linear_input_grad}.get(
                    direction, affine.linear_weight_grad
                )(first, second, *bias, plain)
            np.testing.assert_array_equal(np.isnan(out), np.isnan(plain))
            finite = np.isfinite(plain)
            np.testing.assert_array_equal(out[~finite], plain[~finite])
            np.testing.assert_allclose(out[finite], plain[finite], rtol=1e-4, atol=1e-4)


def test_a_sum_of_numbers_outside_the_arrays_would_be_not_a_number(small):
    """Lanes behind the last column are no part of any sum: NaN lies there."""
    for inputs in range(1, 36):
        x, weight = (arranged(np.ones((n, inputs), np.float32), "in rows") for n in (3, 5))
        with guarded((3, 5), np.float32) as out:
            machine.linear(x, weight, None, out)
            np.testing.assert_array_equal(out, inputs)


# --- who computes ------------------------------------------------------------------------------------------------


def test_who_computes(monkeypatch):
    calls = {direction: used(monkeypatch, direction) for direction in DIRECTIONS}

    def count(direction, size, change=lambda *arrays: arrays):
        given, shape = operands(direction, size, "float32")
        arrays = change(*given, np.empty(shape, np.float32))
        before = len(calls[direction])
        kernels()[direction](*arrays)
        close(arrays[-1], *definition(direction, *arrays[:-1]), "float32")
        return len(calls[direction]) - before

    for direction in DIRECTIONS:
        assert count(direction, (64, 64, 64)) == 1
        assert count(direction, (20, 20, 20)) == 0  # over before the arguments are packed
    assert count("forward", (1, 600, 600)) == 1
    assert count("input_grad", (15, 200, 200)) == count("weight_grad", (15, 200, 200)) == 0
    turned = lambda *arrays: (*arrays[:-1], np.asfortranarray(arrays[-1]))  # noqa: E731
    assert count("forward", (64, 64, 64), turned) == count("input_grad", (64, 64, 64), turned) == 0
    assert count("weight_grad", (64, 64, 64), turned) == 1


def test_empty_and_odd_arrays_are_not_accepted():
    x = np.ones((4, 6), np.float32)
    assert planned.accepts(x, x[::2, ::-1], np.broadcast_to(x[0], (3, 6)))
    shifted = np.zeros(100, np.uint8)[1:97].view(np.float32).reshape(4, 6)
    pairs = np.zeros(6, [("a", "f8"), ("b", "f4")])["a"]
    for odd in (x[:0], x[:, :0], x.astype(np.float16), x.astype(int), shifted, pairs):
        assert not planned.accepts(x, odd)


@pytest.mark.parametrize("dtype", ["float16", *DTYPES])
def test_the_public_function(dtype):
    """Whoever computes; inputs of any memory, more axes, and gradients."""
    rng = np.random.default_rng(0)
    x, weight, bias = (rng.standard_normal(s).astype(dtype) for s in ((3, 20, 90), (70, 90), (70,)))
    for change in (
        lambda a: a,
        np.asfortranarray,
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: arranged(a, "apart"),
    ):
        tensors = [sl.Tensor(change(a), requires_grad=True) for a in (x, weight, bias)]
        y = sl.linear(*tensors)
        rows = x.reshape(60, 90)
        atol = {"float16": 5e-2, "float32": 1e-4, "float64": 1e-11}[dtype]
        wanted = definition("forward", rows, weight, bias)[0]
        np.testing.assert_allclose(np.asarray(y.data).reshape(60, 70), wanted, atol=atol)
        grad = rng.standard_normal((3, 20, 70)).astype(dtype)
        y.backward(grad if change(grad).dtype != dtype else change(grad))
        flat = grad.reshape(60, 70)
        found = [np.asarray(tensor.grad.data) for tensor in tensors]
        np.testing.assert_allclose(found[0].reshape(60, 90), definition("input_grad", flat, weight)[0], atol=atol)
        np.testing.assert_allclose(found[1], definition("weight_grad", flat, rows)[0], atol=atol)
        np.testing.assert_allclose(found[2], flat.astype(np.float64).sum(0), atol=atol)
