"""Every differentiable operation of the package, found by looking, against differences, in all memory and dtypes."""

from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.autograd import Operation
from sevenloops.testing import GradientError, check_gradients
from tests.helpers.cases import arranged, snapshot
from tests.helpers.gradients import all_cases, all_operations, tensors_of, uses_below

CASES = all_cases()
every_case = pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())

#: Largest error relative to the largest element; convolutions may be computed by Winograd's algorithm.
TOLERANCES = {np.float16: 4e-3, np.float32: 4e-5}


def made(make, seed=0):
    function, arrays, *_ = make(np.random.default_rng(seed))
    return function, [np.asarray(array) for array in arrays]


def gradients_of(function, arrays, wanted=None, cotangent=None):
    """Return the results and gradients, for random cotangents unless others are given as a function of a shape."""
    rng = np.random.default_rng(5)
    tensors = [sl.Tensor(a, requires_grad=wanted is None or i in wanted) for i, a in enumerate(arrays)]
    results = tensors_of(function(*tensors))
    total = 0.0
    for result in results:
        g = rng.standard_normal(result.shape).astype(result.dtype) if cotangent is None else cotangent(result.shape)
        total = (result * g.astype(result.dtype, copy=False)).sum() + total
    if results:
        total.backward()
    return [r.numpy() for r in results], [t.grad for t in tensors]


@cache
def cases_by_use():
    """Return {operation: {index of an input with a gradient: names of the cases that have it}}."""
    found = {}
    for name, make in CASES.items():
        function, arrays = made(make)
        for operation, index in uses_below(tensors_of(function(*(sl.Tensor(a, requires_grad=True) for a in arrays)))):
            found.setdefault(operation, {}).setdefault(index, []).append(name)
    return found


def test_every_operation_is_checked():
    missing = sorted(where for operation, where in all_operations().items() if operation not in cases_by_use())
    assert not missing, f"no case in tests/functional/gradient_cases reaches {', '.join(missing)}"


@contextmanager
def slightly_wrong(operation, index):
    """Change the gradient by one input: by a twentieth, and where it is 0, by a number."""

    def wrong(*arguments, **attributes):
        gradients = list(right(*arguments, **attributes))
        if (g := gradients[index]) is not None:
            gradients[index] = (g * 1.05 + 0.05 * (g == 0)).astype(g.dtype)
        return gradients

    right = operation.vjp
    object.__setattr__(operation, "vjp", wrong)
    try:
        yield
    finally:
        object.__setattr__(operation, "vjp", right)


@pytest.mark.parametrize(("operation", "where"), all_operations().items(), ids=all_operations().values())
def test_a_slightly_wrong_rule_is_caught(operation, where):
    for index, names in cases_by_use().get(operation, {}).items():
        with slightly_wrong(operation, index):
            caught = False
            for name in names:
                function, arrays, *options = CASES[name](np.random.default_rng(0))
                try:
                    check_gradients(function, *arrays, **(options[0] if options else {}))
                except GradientError:
                    caught = True
                    break
        assert caught, f"the gradient by input {index} of {where} may be wrong: {', '.join(names)} pass"


def test_a_new_operation_is_found(monkeypatch):
    for value in (new := Operation("new", None, None), [new], {"new": new}):
        assert new not in all_operations()
        monkeypatch.setattr(sl.functional, "NEW", value, raising=False)
        assert all_operations()[new] == "sevenloops.functional.NEW"
        monkeypatch.undo()


@every_case
def test_gradients_are_the_derivatives(make):
    for seed in range(2):
        function, arrays, *options = make(np.random.default_rng(seed))
        check_gradients(function, *arrays, seed=seed, **(options[0] if options else {}))


@every_case
def test_each_gradient_can_be_had_alone(make):
    function, arrays = made(make)
    _, together = gradients_of(function, arrays)
    for wanted in range(len(arrays)):
        _, alone = gradients_of(function, arrays, wanted={wanted})
        for i, (gradient, expected) in enumerate(zip(alone, together)):
            assert (gradient is None) == (i != wanted or expected is None)
            if gradient is not None:
                np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-13)


@every_case
@pytest.mark.parametrize("memory", ["fortran", "reversed", "inside", "read-only"])
def test_any_memory_gives_the_same(make, memory):
    function, arrays = made(make)
    elsewhere = [arranged(a, memory) if a.ndim else a for a in arrays]
    before = snapshot(*elsewhere)
    for ours, theirs in zip(gradients_of(function, elsewhere), gradients_of(function, arrays)):
        for mine, other in zip(ours, theirs):
            if other is not None:
                np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)
    assert snapshot(*elsewhere) == before, "an input has been changed"


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_lower_precision_gives_nearly_the_same(make, dtype):
    function, arrays = made(make)
    arrays = [a.astype(dtype) for a in arrays]

    def cotangent(shape):  # numbers that float16 has
        return np.random.default_rng(3).integers(1, 9, shape) / 8

    low = gradients_of(function, arrays, cotangent=cotangent)
    full = gradients_of(function, [a.astype(np.float64) for a in arrays], cotangent=cotangent)
    for ours, theirs in zip(low, full):
        for mine, exact in zip(ours, theirs):
            if exact is not None and exact.size:
                assert mine.dtype == dtype
                assert np.abs(mine - exact).max() <= TOLERANCES[dtype] * np.abs(exact).max(), function
