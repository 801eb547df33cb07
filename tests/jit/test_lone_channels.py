"""Passes with kernels of their own: depthwise, pointwise layers' weight gradients, kernels as large as the input."""

from itertools import product

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.conv.problem import DIRECTIONS, Epilogue
from sevenloops.geometry import ConvGeometry
from tests.helpers import oracle
from tests.helpers.checks import judge
from tests.helpers.ladder import make_problem
from tests.jit.guarded import guarded

pytest.importorskip("llvmlite")

from sevenloops.conv.direct import machine, sources
from sevenloops.jit.depthwise import DepthwiseForm, DepthwiseGradientForm
from sevenloops.jit.outer import OuterForm
from sevenloops.jit.planning import calls

ORDERS = {"last": (0, 2, 3, 1), "first": (0, 1, 2, 3), "any": (2, 1, 3, 0)}
EPS = {"float32": 4e-6, "float64": 1e-14}


@pytest.fixture(autouse=True)
def all_threads(monkeypatch):
    """Small problems too are shared out, among as many threads as the problem says."""
    monkeypatch.setattr(sources, "worth_threads", lambda work, threads: threads)
    for cached in (sources.layer_source, sources.input_grad_phases):
        cached.cache_clear()
    yield
    for cached in (sources.layer_source, sources.input_grad_phases):
        cached.cache_clear()


@pytest.fixture
def forms(monkeypatch):
    """The kernels that are prepared."""
    seen = []
    call = calls.Call.__init__

    def recorded(self, form, *arguments):
        seen.append(form)
        call(self, form, *arguments)

    monkeypatch.setattr(calls.Call, "__init__", recorded)
    return seen


def placed(array, how):
    """Return an array with its axes in some order of memory, between NaN if there are gaps, or backwards."""
    order, _, more = how.partition(" ")
    order = ORDERS[order]
    turned = array.transpose(order)
    gap, step = (3, 1) if more == "gaps" else (0, -1 if more == "backwards" else 1)
    wide = np.full([n + gap for n in turned.shape], np.nan, array.dtype)
    view = wide[tuple(slice(0, n) for n in turned.shape)][(slice(None, None, step),) * array.ndim]
    view[...] = turned
    return view.transpose(np.argsort(order))


def check(direction, x_shape, weight_shape, parameters, dtype, threads, how, out_order="last", epilogue=None):
    """Run a pass twice on guarded memory; compare with the definition."""
    g = ConvGeometry.forward(x_shape, weight_shape, **parameters)
    rng = np.random.default_rng(x_shape[1])
    x, weight, grad = (rng.standard_normal(s).astype(dtype) for s in (x_shape, weight_shape, g.out_shape))
    problem = make_problem(
        x_shape, weight_shape, direction=direction, dtype=dtype, threads=threads, usable=("jit",), **parameters
    )
    first, second, function, keywords, shape = {
        "forward": (x, weight, oracle.forward, {}, g.out_shape),
        "input_grad": (grad, weight, oracle.input_grad, {"input_size": g.input_size}, x_shape),
        "weight_grad": (grad, x, oracle.weight_grad, {"kernel_size": g.kernel_size}, weight_shape),
    }[direction]
    how_second = how if direction == "weight_grad" else how.replace("last", "first")
    first, second = placed(first, how), placed(second, how_second)
    keywords.update(stride=g.stride, padding=g.padding, dilation=g.dilation, groups=g.groups)
    expected, magnitude = judge(function, *(a.astype(np.float64) for a in (first, second)), **keywords)
    size = magnitude.each
    if epilogue is not None:
        expected, size = finished(epilogue, expected, size)
    results = []
    for _ in range(2):
        with guarded(shape, dtype, ORDERS[out_order]) as out:
            more = () if direction != "forward" else (epilogue or Epilogue(),)
            getattr(machine, direction)(first, second, out, problem, *more)
            assert (np.abs(out - expected) <= EPS[dtype] * size + 1e-300).all(), (how, threads, out_order)
            results.append(out.tobytes())
    assert results[0] == results[1]


def finished(epilogue, y, size):
    columns = (slice(None), None, None)
    if epilogue.scale is not None:
        y, size = y * epilogue.scale[columns], size * np.abs(epilogue.scale)[columns]
    if epilogue.bias is not None:
        y, size = y + epilogue.bias[columns], size + np.abs(epilogue.bias)[columns]
    if epilogue.residual is not None:
        y, size = y + epilogue.residual, size + np.abs(epilogue.residual)
    if epilogue.activation:
        y = np.clip(y, 0, {"relu": None, "relu6": 6}[epilogue.activation])
    return y, size


# --- depthwise -----------------------------------------------------------------------------------------------------

CHANNELS = (2, 7, 16)
WINDOWS = (
    ((2, 9, 11), (3, 3), {"padding": 1}),
    ((1, 10, 9), (3, 3), {"padding": 1, "stride": 2}),
    ((3, 6, 20), (2, 4), {"dilation": (2, 3), "padding": ((0, 3), (4, 1))}),
    ((2, 5, 4), (5, 4), {}),
    ((1, 7, 7), (1, 1), {"stride": (1, 3)}),
    ((1, 1, 23), (1, 5), {"padding": (0, 2)}),
)
MEMORIES = ("last", "first", "last gaps", "first backwards", "any")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_depthwise(direction, dtype, forms):
    for number, (channels, ((batch, *size), kernel, options)) in enumerate(
        [*product(CHANNELS, WINDOWS[:1]), *product((17,), WINDOWS)]
    ):
        shapes = (batch, channels, *size), (channels, 1, *kernel)
        for threads, how in zip((1, 2, 3), (MEMORIES[(number + i) % 5] for i in range(3)), strict=True):
            check(direction, *shapes, {**options, "groups": channels}, dtype, threads, how)
    kind = DepthwiseGradientForm if direction == "weight_grad" else DepthwiseForm
    assert any(isinstance(form, kind) for form in forms)


def test_depthwise_weight_gradients_into_memory_of_other_orders():
    for order in ("last", "any"):
        shapes = (2, 17, 6, 7), (17, 1, 3, 3)
        check("weight_grad", *shapes, {"padding": 1, "groups": 17}, "float32", 2, "last", order)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_depthwise_and_what_follows(dtype):
    rng = np.random.default_rng(1)
    shapes, out_shape = ((2, 19, 7, 8), (19, 1, 3, 3)), (2, 19, 7, 8)
    scale, bias = rng.standard_normal((2, 19)).astype(dtype)
    beside = rng.standard_normal(out_shape).astype(dtype)
    for epilogue in (
        Epilogue(bias),
        Epilogue(bias, scale, placed(beside, "last"), "relu6"),
        Epilogue(None, scale, None, "relu"),
        Epilogue(bias, np.repeat(scale, 2)[::2], np.asfortranarray(beside)),
        Epilogue(np.repeat(bias, 2)[::2], None, beside, "relu"),
    ):
        for threads in (1, 3):
            check("forward", *shapes, {"padding": 1, "groups": 19}, dtype, threads, "last gaps", "last", epilogue)


# --- the weight gradient of pointwise layers ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pointwise_weight_gradients(dtype, forms):
    """Terms and channels in whole vectors and not, in one piece and in several; pixels in one block and more."""
    for number, (channels, outputs, size, stride) in enumerate(
        (
            (48, 1, (1, 1), 1),
            (49, 17, (3, 5), 1),
            (65, 130, (9, 7), 2),
            (600, 8, (12, 11), 1),
        )
    ):
        for threads, how in zip((1, 2, 3), ("last", "last gaps", MEMORIES[number % 5]), strict=True):
            shapes = (2, channels, *size), (outputs, channels, 1, 1)
            check("weight_grad", *shapes, {"stride": stride}, dtype, threads, how, "first")
    assert {form.tall for form in forms if isinstance(form, OuterForm)}


def test_pointwise_weight_gradients_into_memory_of_other_orders():
    for order in ("last", "any"):
        check("weight_grad", (2, 50, 6, 7), (33, 50, 1, 1), {}, "float32", 2, "last", order)


# --- a kernel as large as the input ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_single_windows(dtype, monkeypatch):
    ways = []
    single = machine._single_window
    monkeypatch.setattr(machine, "_single_window", lambda *a: (ways.append(1), single(*a)))
    cases = (
        ((1, 1, 1, 1), (1, 1, 1, 1)),
        ((3, 5, 4, 3), (9, 5, 4, 3)),
        ((17, 16, 6, 6), (33, 16, 6, 6)),
        ((2, 7, 1, 5), (3, 7, 1, 5)),
    )
    for shapes, how in product(cases, ("last", "first backwards", "any gaps")):
        check("input_grad", *shapes, {"stride": 2}, dtype, 1 + len(how) % 3, how)
    assert len(ways) == 12  # twice each: where the weights lie one behind the other, which one weight always does
    for direction in ("forward", "weight_grad"):
        check(direction, *cases[1], {}, dtype, 3, "last")


def test_what_a_single_window_is():
    def is_whole(x, w, **parameters):
        return ConvGeometry.forward(x, w, **parameters).is_whole

    assert is_whole((2, 3, 4, 5), (6, 3, 4, 5))
    assert is_whole((2, 3, 4, 5), (6, 3, 4, 5), stride=3)
    assert is_whole((2, 3, 4), (6, 3, 4))
    assert is_whole((2, 3, 1, 1), (6, 3, 1, 1), dilation=4)
    assert is_whole((2, 1, 4, 5), (6, 1, 4, 5))
    for x, w, parameters in (
        ((2, 3, 4, 5), (6, 3, 4, 4), {}),
        ((2, 3, 4, 5), (6, 3, 3, 5), {}),
        ((2, 3, 4, 5), (6, 3, 4, 5), {"padding": 1}),
        ((2, 3, 4, 5), (6, 3, 4, 5), {"padding": ((0, 0), (0, 1))}),
        ((2, 4, 4, 5), (6, 2, 4, 5), {"groups": 2}),
        ((2, 3, 7, 9), (6, 3, 4, 5), {"dilation": 2}),
    ):
        assert not is_whole(x, w, **parameters)


# --- what is not a number ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_comes_out_as_in_numpy(direction, value):
    for x_shape, w_shape, parameters in (
        ((1, 18, 6, 7), (18, 1, 3, 3), {"groups": 18, "padding": 1}),
        ((2, 50, 4, 4), (9, 50, 1, 1), {}),
        ((3, 4, 3, 3), (5, 4, 3, 3), {}),
    ):
        rng = np.random.default_rng(0)
        x, w = rng.uniform(0.5, 1, x_shape), rng.uniform(0.5, 1, w_shape)
        grad = rng.uniform(0.5, 1, ConvGeometry.forward(x_shape, w_shape, **parameters).out_shape)
        x[0, 1, 2, 2], grad[0, 3, 0, 0] = value, value
        found = []
        for algorithm in ("im2col", "direct"):
            options = {**parameters, "algorithm": algorithm}
            with np.errstate(invalid="ignore"):  # infinity times the zeros around the input
                if direction == "forward":
                    found.append(sl.conv2d(x, w, **options))
                elif direction == "input_grad":
                    found.append(sl.conv2d_input_grad(grad, w, x.shape, **options))
                else:
                    found.append(sl.conv2d_weight_grad(grad, x, w.shape[2:], **options))
        assert not np.isfinite(found[0]).all()
        np.testing.assert_allclose(*found, rtol=1e-12)
