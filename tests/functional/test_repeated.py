"""Calls that look like one before give what they give alone, and only those that are like it skip the work."""

import itertools
import re

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from sevenloops.conv import execute
from sevenloops.errors import ShapeError, UnknownAlgorithmError, UnsupportedGeometryError
from sevenloops.functional import convolution, convolution_grads, fused, repeated
from sevenloops.functional.repeated import Repeated
from tests.helpers import oracle
from tests.helpers.threads import from_many_threads

RNG = np.random.default_rng(5)
X, W, B = RNG.standard_normal((2, 4, 7, 9)), RNG.standard_normal((6, 2, 3, 2)), RNG.standard_normal(6)
G = RNG.standard_normal((2, 6, 5, 8))
WHOLE = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 2}
Y = oracle.forward(X, W, B, **WHOLE)


@pytest.fixture(autouse=True)
def plans(monkeypatch):
    """Forget all calls; what is planned from now on."""
    for module, names in (
        (convolution, ["_repeated"]),
        (convolution_grads, ["_input_grads", "_weight_grads"]),
        (fused, ["_repeated"]),
    ):
        for name in names:
            monkeypatch.setattr(module, name, Repeated())
    made = []
    plan = execute.plan

    def recorded(*arguments):
        made.append(plan(*arguments))
        return made[-1]

    monkeypatch.setattr(execute, "plan", recorded)
    return made


@pytest.fixture
def used(monkeypatch):
    """The plans and inputs that forward passes run with."""
    seen = []
    forward = execute.forward

    def recorded(x, weight, epilogue, chosen):
        seen.append((chosen, x))
        return forward(x, weight, epilogue, chosen)

    monkeypatch.setattr(execute, "forward", recorded)
    return seen


def unaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    raw[...] = array
    return raw


def passes(x=X, w=W, b=B, g=G, **parameters):
    """Return what the three passes give."""
    options = {"groups": 2, **parameters}
    return (
        sl.conv2d(x, w, b, **options),
        sl.conv2d_input_grad(g, w, x.shape, **options),
        sl.conv2d_weight_grad(g, x, (3, 2), **options),
    )


DEFINED = (Y, oracle.input_grad(G, W, (7, 9), **WHOLE), oracle.weight_grad(G, X, (3, 2), **WHOLE))


def test_what_is_alike_is_planned_once(plans):
    for _ in range(3):
        for result, wanted in zip(passes(X + 0, W + 0, B + 0, G + 0), DEFINED, strict=True):
            np.testing.assert_allclose(result, wanted, atol=1e-12)
    assert [plan.problem.direction for plan in plans] == ["forward", "input_grad", "weight_grad"]


def test_layers_are_planned_once(plans):
    conv = nn.Conv2d(4, 6, 3)
    x = np.ones((1, 4, 8, 8), np.float32)
    for _ in range(3):
        conv(x)
        with sl.no_grad():
            nn.Sequential(conv, nn.ReLU())(x)
    assert len(plans) <= 3  # the layer with its weight gradient, and the fused one


def test_values_are_not_remembered():
    for factor in (1, 2, -3):
        y, dx, dw = passes(X * factor, W, B * factor, G)
        np.testing.assert_allclose(y, factor * DEFINED[0], atol=1e-12)
        np.testing.assert_allclose(dx, DEFINED[1], atol=1e-12)
        np.testing.assert_allclose(dw, factor * DEFINED[2], atol=1e-12)


MEMORY = {
    "plain": lambda a: a.copy(),
    "channels last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
    "fortran": np.asfortranarray,
    "sliced": lambda a: np.repeat(a, 2, 0)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "unaligned": unaligned,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": lambda a: np.broadcast_to(a, a.shape),
    "a list": lambda a: a,
    "a Tensor": lambda a: a.copy(),
}


def test_other_memory_after_each_other():
    for first, second in itertools.permutations(MEMORY, 2):
        for name in (first, second):
            x, g = MEMORY[name](X), MEMORY[name](G)
            y = sl.conv2d({"a list": X.tolist(), "a Tensor": sl.Tensor(X)}.get(name, x), W, B, groups=2)
            assert isinstance(y, sl.Tensor) == (name == "a Tensor")
            np.testing.assert_allclose(np.asarray(y), Y, atol=1e-12)
            for result, wanted in zip(passes(x, g=g)[1:], DEFINED[1:], strict=True):
                np.testing.assert_allclose(result, wanted, atol=1e-12)


def test_kernels_get_aligned_arrays_of_native_byte_order(used):
    conv = nn.Conv2d(4, 6, 3, dtype="float64")
    for memory in ("plain", "unaligned", "other byte order", "plain", "unaligned"):
        sl.conv2d(MEMORY[memory](X), W, B, groups=2)
        sl.conv2d(X, MEMORY[memory](W), B, groups=2)
        with sl.no_grad():
            nn.Sequential(conv, nn.ReLU())(MEMORY[memory](X))
    assert all(x.flags.aligned and x.dtype.isnative for _, x in used)


@pytest.mark.parametrize("dtypes", list(itertools.permutations(("float16", "float32", "float64"), 2)), ids=str)
def test_other_dtypes_after_each_other(dtypes):
    for dtype in (*dtypes, *dtypes):
        arrays = [a.astype(dtype) for a in (X, W, B, G)]
        for result, wanted in zip(passes(*arrays), DEFINED, strict=True):
            assert result.dtype == dtype
            np.testing.assert_allclose(result, wanted, atol={"float16": 1e-1, "float32": 1e-4}.get(dtype, 1e-12))
    for _ in range(2):
        with pytest.raises(TypeError, match="share one dtype"):
            sl.conv2d(X.astype(dtypes[0]), W.astype(dtypes[1]), groups=2)


#: Ways to write the same parameters, and some that are refused or mean something else.
PARAMETERS = [
    {},
    {"stride": 1},
    {"stride": (1, 1)},
    {"stride": [1, 1]},
    {"stride": np.array([1, 1])},
    {"stride": np.int64(1)},
    {"stride": 1.0},
    {"stride": True},
    {"stride": (True, 1)},
    {"stride": (1, 1.0)},
    {"stride": (1,)},
    {"stride": (1, 1, 1)},
    {"stride": 2},
    {"stride": (1, 2)},
    {"stride": (2, 1)},
    {"stride": 0},
    {"stride": "1"},
    {"padding": 0},
    {"padding": "valid"},
    {"padding": "same"},
    {"padding": 1},
    {"padding": (1, 0)},
    {"padding": (0, 1)},
    {"padding": ((0, 1), (1, 0))},
    {"padding": ((1, 0), (0, 1))},
    {"padding": False},
    {"padding": -1},
    {"padding": None},
    {"dilation": 2},
    {"dilation": True},
    {"groups": 1},
    {"groups": True},
    {"groups": 2.0},
    {"groups": 3},
    {"algorithm": "loops"},
    {"algorithm": "nonsense"},
    {"algorithm": None},
    {"algorithm": 1},
    {"max_workspace": 0},
    {"max_workspace": False},
    {"max_workspace": 10**9},
    {"max_workspace": 1.5},
    {"layout": "NHWC"},
    {"layout": 1},
]


def outcome(parameters):
    try:
        y = sl.conv2d(X, W, **{"groups": 2, **parameters})
    except Exception as error:
        return type(error), str(error)
    return y.shape, y.tobytes()


def test_parameters_after_each_other(monkeypatch):
    """Whatever was called before, a call gives its own result or its own error, twice."""
    alone = []
    for parameters in PARAMETERS:
        monkeypatch.setattr(convolution, "_repeated", Repeated())
        alone.append(outcome(parameters))
    monkeypatch.setattr(convolution, "_repeated", Repeated())
    order = [*range(len(PARAMETERS)), *reversed(range(len(PARAMETERS))), *range(len(PARAMETERS))]
    for number in order:
        assert outcome(PARAMETERS[number]) == alone[number], PARAMETERS[number]
    refused = [str(PARAMETERS[i]) for i, (kind, _) in enumerate(alone) if isinstance(kind, type)]
    for wrong in ({"stride": True}, {"stride": 1.0}, {"groups": True}, {"groups": 2.0}, {"algorithm": "nonsense"}):
        assert str(wrong) in refused


def test_sizes_after_each_other():
    """x of (7, 9) and of (8, 9) give gradients of one shape with a stride of 2."""
    grad = RNG.standard_normal((2, 6, 3, 4))
    for size in ((7, 9), (8, 9), [7, 9], (7, 8), (7, 9)):
        given = type(size)((2, 4, *size))
        keywords = {**WHOLE, "stride": (2, 2)}
        result = sl.conv2d_input_grad(grad, W, given, stride=2, groups=2)
        np.testing.assert_allclose(result, oracle.input_grad(grad, W, size, **keywords), atol=1e-12)
    for wrong in ((2, 4, 7.0, 9), (2, 4, True, 9), (2, 4, 7), (2, 4, 9, 9), (3, 4, 7, 9)):
        messages = []
        for _ in range(2):
            with pytest.raises((TypeError, ShapeError)) as caught:
                sl.conv2d_input_grad(grad, W, wrong, stride=2, groups=2)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_a_list_that_changes():
    stride = [1, 1]
    first = sl.conv2d(X, W, stride=stride, groups=2)
    stride[1] = 2
    np.testing.assert_allclose(sl.conv2d(X, W, stride=stride, groups=2), first[..., ::2], atol=1e-12)


ERRORS = {
    "bias": (ShapeError, lambda: sl.conv2d(X, W, np.ones(5), groups=2)),
    "shapes": (ShapeError, lambda: sl.conv2d(X, W)),
    "name": (UnknownAlgorithmError, lambda: sl.conv2d(X, W, groups=2, algorithm="nonsense")),
    "geometry": (UnsupportedGeometryError, lambda: sl.conv2d(X, W, groups=2, stride=2, algorithm="winograd")),
    "workspace": (UnsupportedGeometryError, lambda: sl.conv2d(X, W, groups=2, algorithm="im2col", max_workspace=0)),
    "nothing": (TypeError, lambda: sl.conv2d(X, None)),
    "integers": (TypeError, lambda: sl.conv2d(X.astype(int), W, groups=2)),
    "grad": (ShapeError, lambda: sl.conv2d_weight_grad(G[..., 1:], X, (3, 2), groups=2)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_raised_every_time(name):
    kind, call = ERRORS[name]
    messages = []
    for _ in range(3):
        with pytest.raises(kind) as caught:
            call()
        messages.append(str(caught.value))
        passes()
    assert len(set(messages)) == 1


# --- what holds for the process, the thread and the moment ---------------------------------------------------------


def test_threads_in_between(used):
    before = sl.get_num_threads()
    try:
        for threads in (1, 3, 2, 1):
            sl.set_num_threads(threads)
            passes()
            assert used[-1][0].problem.threads == threads
    finally:
        sl.set_num_threads(before)


def test_backends_in_between(used):
    for name in ("numpy", None, "numpy", None):
        if name is None:
            passes()
            assert used[-1][0].problem.backends == sl.backends.usable()
        else:
            with sl.use_backend(name):
                passes()
            assert used[-1][0].backend == name
    with pytest.raises(ValueError, match="backends"), sl.use_backend("nonsense"):
        pass


def test_switches_in_between(used, tmp_path, monkeypatch):
    monkeypatch.setenv("SEVENLOOPS_CACHE", str(tmp_path))
    for _ in range(2):
        sl.conv2d(X, W, groups=2)
        assert (used[-1][0].problem.exact, used[-1][0].measured) == (False, ())
        with sl.use_exact_algorithms():
            sl.conv2d(X, W, groups=2)
        assert used[-1][0].problem.exact
        with sl.autotune():
            sl.conv2d(X, W, groups=2)
        assert used[-1][0].measured


def test_gradients_on_and_off():
    """What was planned without a gradient must not be used where one is wanted."""
    wanted = dict(zip("xw", DEFINED[1:], strict=True))
    rounds = list(itertools.product((False, True), repeat=3))
    x, w = sl.Tensor(X), sl.Tensor(W)
    for x_needs, w_needs, enabled in (*rounds, *reversed(rounds), *rounds):
        x.requires_grad, w.requires_grad = x_needs, w_needs
        x.grad = w.grad = None
        if not enabled:
            with sl.no_grad():
                assert not sl.conv2d(x, w, groups=2).requires_grad
            continue
        y = sl.conv2d(x, w, groups=2)
        assert y.requires_grad == (x_needs or w_needs)
        if y.requires_grad:
            y.backward(G)
        for name, tensor, needs in (("x", x, x_needs), ("w", w, w_needs)):
            assert (tensor.grad is not None) == needs
            if needs:
                np.testing.assert_allclose(np.asarray(tensor.grad), wanted[name], atol=1e-12)


def test_a_gradient_that_cannot_be_computed_is_refused_at_once():
    """Also after the same call without the gradient."""
    from tests.helpers.ladder import picky

    w = sl.Tensor(W)
    with picky("weight_grad"):
        for needs in (False, True, True, False, True):
            w.requires_grad = needs
            if not needs:
                sl.conv2d(X, w, groups=2, algorithm="picky")
                continue
            with pytest.raises(UnsupportedGeometryError, match="it is picky"):
                sl.conv2d(X, w, groups=2, algorithm="picky")
            with sl.no_grad():
                sl.conv2d(X, w, groups=2, algorithm="picky")


def test_an_array_and_a_tensor_and_a_batch_of_one():
    for x, w in itertools.product((X, sl.Tensor(X)), (W, sl.Tensor(W), nn.Parameter(W))):
        y = sl.conv2d(x, w, B, groups=2)
        assert isinstance(y, sl.Tensor) == (not isinstance(x, np.ndarray) or not isinstance(w, np.ndarray))
        np.testing.assert_allclose(np.asarray(y.data), Y, atol=1e-12)
    assert sl.conv2d(X[:1], W, groups=2).shape == (1, 6, 5, 8)
    assert sl.conv2d(X[0], W, groups=2).shape == (6, 5, 8)
    assert sl.conv1d(X[:, :, 0], W[:, :, 0], groups=2).shape == (2, 6, 8)
    assert sl.conv2d(X, W, None, groups=2).shape == sl.conv2d(X, W, B, groups=2).shape


def test_subclasses_of_arrays_are_not_remembered(plans):
    for _ in range(2):
        np.testing.assert_allclose(sl.conv2d(np.ma.masked_array(X), W, B, groups=2), Y, atol=1e-12)
    assert len(plans) == 2


def test_it_does_not_grow_without_end(monkeypatch, plans):
    monkeypatch.setattr(repeated, "_MOST", 3)
    for _ in range(2):
        for length in range(2, 10):
            assert sl.conv2d(X[:, :, :, :length], W, groups=2).shape[-1] == length - 1
            assert len(convolution._repeated._known) <= 3
    assert len(plans) == 16


def test_many_threads_at_once(monkeypatch):
    monkeypatch.setattr(repeated, "_MOST", 2)

    def calls():
        for length in (9, 8, 7, 6) * 20:
            np.testing.assert_allclose(sl.conv2d(X[..., :length], W, B, groups=2), Y[..., : length - 1], atol=1e-12)

    from_many_threads(calls, 4)


def test_keys_differ_where_calls_do():
    """Every part of a key by itself."""
    known, x, w = Repeated(), X.astype(np.float32), W.astype(np.float32)
    tensor = sl.Tensor(x)
    needing = sl.Tensor(x, requires_grad=True)
    keys = [
        known.key((x, w), (1,)),
        known.key((w, x), (1,)),
        known.key((x, None), (1,)),
        known.key((tensor, w), (1,)),
        known.key((needing, w), (1,)),
        known.key((x[:1], w), (1,)),
        known.key((np.asfortranarray(x), w), (1,)),
        known.key((x.astype(np.float64), w), (1,)),
        known.key((x.astype(x.dtype.newbyteorder()), w), (1,)),
        known.key((x, w), (2,)),
        known.key((x, w), ("1",)),
        known.key((x, w), ((1,),)),
        known.key((x, w), (None,)),
    ]
    with sl.no_grad():
        keys.append(known.key((x, w), (1,)))
    assert None not in keys
    assert len(set(keys)) == len(keys)
    for arrays in ((unaligned(x), w), (sl.Tensor(x), [1.0]), (x.tolist(), w), (np.float32(1), w), (x.view(Own), w)):
        assert known.key(arrays, (1,)) is None
    for parameter in (True, 1.0, [1], np.int64(1), (True,), (1.0,), ((1, 1),), {1}, b"1"):
        assert known.key((x, w), (parameter,)) is None, re.escape(repr(parameter))


class Own(np.ndarray):
    pass
