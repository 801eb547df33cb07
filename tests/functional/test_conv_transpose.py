"""Transposed convolution: the adjoint of a convolution, with PyTorch's rules for its size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.errors import ShapeError, UnknownAlgorithmError, UnsupportedGeometryError
from tests.helpers import oracle
from tests.helpers.cases import arranged, conv_cases, snapshot
from tests.helpers.checks import (
    assert_close,
    from_layout,
    judge,
    must_accept,
    to_layout,
    weight_from_layout,
    weight_to_layout,
)
from tests.helpers.ladder import picky
from tests.helpers.refusals import assert_refused

RNG = np.random.default_rng(40)
X = RNG.standard_normal((2, 6, 5, 8))
W = RNG.standard_normal((6, 4, 3, 2))


@st.composite
def transposed_cases(draw):
    """A convolution whose input gradient is the transposed convolution, and how much longer the result is to be.

    The convolution is from the result to x. Its remainder is taken away, and output_padding is chosen instead.
    """
    case = draw(conv_cases())
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(case.stride, case.dilation))
    size = tuple(
        (out - 1) * s + (k - 1) * d + 1 - sum(pad) + more
        for out, k, s, d, pad, more in zip(case.out, case.kernel, case.stride, case.dilation, case.padding, extra)
    )
    return case, extra, size


def parameters_of(case, extra):
    return {**case.parameters, "output_padding": extra}


def arrays_of(case, dtype):
    """Return x, weight and bias of the transposed convolution: x has the shape of the convolution's output."""
    _, weight, _, x = case.arrays(dtype)
    bias = np.random.default_rng(case.seed).standard_normal(case.groups * case.group_in).astype(dtype)
    return x, weight, bias if case.has_bias else None


@settings(max_examples=150)
@given(
    drawn=transposed_cases(),
    algorithm=st.sampled_from(["auto", *sl.algorithms()]),
    dtype=st.sampled_from(["float64", "float32", "float16"]),
)
def test_against_the_definition(drawn, algorithm, dtype):
    case, extra, size = drawn
    x, weight, bias = arrays_of(case, dtype)
    function = getattr(sl, f"conv_transpose{case.axes}d")
    arrays = to_layout(x, case), weight_to_layout(weight, case), bias
    call = {**parameters_of(case, extra), "layout": case.layout, "algorithm": algorithm}
    if min(size) < 1:
        with pytest.raises(ShapeError, match="must not be empty"):
            function(*arrays, **call)
        return
    before = snapshot(*arrays)
    try:
        result = from_layout(function(*arrays, **call), case)
    except UnsupportedGeometryError:
        assert not must_accept(case, algorithm)
        return
    assert snapshot(*arrays) == before
    assert result.dtype == dtype
    assert result.shape == (case.batch, case.groups * case.group_in, *size)
    operands = (None if a is None else a.astype(np.float64) for a in (x, weight, bias))
    assert_close(result, *judge(oracle.transposed, *operands, **parameters_of(case, extra)), algorithm, dtype)


@settings(max_examples=80)
@given(drawn=transposed_cases(), algorithm=st.sampled_from(["auto", *sl.algorithms()]))
def test_backward(drawn, algorithm):
    """By linearity: dx is the convolution of the cotangent, dw is that convolution's weight gradient."""
    case, extra, size = drawn
    if min(size) < 1:
        return
    x, weight, bias = arrays_of(case, "float64")
    tensors = [
        None if a is None else sl.Tensor(a, requires_grad=True)
        for a in (to_layout(x, case), weight_to_layout(weight, case), bias)
    ]
    function = getattr(sl, f"conv_transpose{case.axes}d")
    try:
        y = function(*tensors, layout=case.layout, algorithm=algorithm, **parameters_of(case, extra))
    except UnsupportedGeometryError:
        assert not must_accept(case, algorithm)
        return
    g = np.random.default_rng(case.seed + 1).standard_normal((case.batch, case.groups * case.group_in, *size))
    y.backward(np.ascontiguousarray(to_layout(g, case)))
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    # Where output_padding reaches the stride, the convolution back would have more windows than x has positions.
    padding = tuple((before, after - more) for (before, after), more in zip(case.padding, extra))
    back = {**case.parameters, "padding": padding}
    dx, dw = from_layout(tensors[0].grad, case), weight_from_layout(tensors[1].grad, case)
    assert_close(dx, *judge(oracle.forward, g, weight, **back), algorithm, "float64")
    assert_close(dw, *judge(oracle.weight_grad, x, g, case.kernel, **back), algorithm, "float64")
    if bias is not None:
        np.testing.assert_allclose(tensors[2].grad, g.sum((0, *range(2, g.ndim))), rtol=1e-12, atol=1e-12)


@settings(max_examples=50)
@given(case=conv_cases())
def test_adjoint_of_the_convolution(case):
    """⟨conv(y), x⟩ = ⟨y, conv_transpose(x)⟩ if output_padding is the remainder that no window reaches."""
    remainder = tuple(
        n + sum(pad) - ((out - 1) * s + (k - 1) * d + 1)
        for n, out, k, s, d, pad in zip(case.size, case.out, case.kernel, case.stride, case.dilation, case.padding)
    )
    y, weight, _, x = (None if a is None else a.astype(np.float64) for a in case.arrays("float64"))
    convolved = getattr(sl, f"conv{case.axes}d")(y, weight, **case.parameters)
    spread = getattr(sl, f"conv_transpose{case.axes}d")(x, weight, **parameters_of(case, remainder))
    assert spread.shape == y.shape
    scale = np.linalg.norm(convolved) * np.linalg.norm(x)
    np.testing.assert_allclose(np.vdot(y, spread), np.vdot(convolved, x), rtol=0, atol=1e-11 * scale)


def test_by_hand():
    x, w = np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0, 100.0]]])
    spread = sl.conv_transpose1d
    np.testing.assert_array_equal(spread(x, w), [[[1, 12, 120, 200]]])
    np.testing.assert_array_equal(spread(x, w, stride=2), [[[1, 10, 102, 20, 200]]])
    np.testing.assert_array_equal(spread(x, w, stride=2, output_padding=1), [[[1, 10, 102, 20, 200, 0]]])
    np.testing.assert_array_equal(spread(x, w, stride=2, padding=1, output_padding=1), [[[10, 102, 20, 200]]])
    np.testing.assert_array_equal(spread(x, w, stride=2, padding=((0, 2),)), [[[1, 10, 102]]])
    np.testing.assert_array_equal(spread(x, w, dilation=2), [[[1, 2, 10, 20, 100, 200]]])
    np.testing.assert_array_equal(spread(x, w, np.array([0.5]), stride=3)[0, 0], [1.5, 10.5, 100.5, 2.5, 20.5, 200.5])


def test_output_padding_up_to_the_dilation():
    """It may reach the stride where the dilation is larger, as in PyTorch; the added positions have no terms."""
    x, w = np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]])
    y = sl.conv_transpose1d(x, w, stride=1, dilation=3, output_padding=2)
    np.testing.assert_array_equal(y, [[[1, 2, 0, 10, 20, 0, 0]]])
    inputs = sl.Tensor(x, requires_grad=True)
    sl.conv_transpose1d(inputs, w, dilation=3, output_padding=2).backward(np.array([[[1.0, 0, 0, 0, 2, 7, 7]]]))
    np.testing.assert_array_equal(inputs.grad, [[[1, 20]]])


def test_shapes_of_each_layout():
    ones = np.ones
    assert sl.conv_transpose1d(ones((2, 5, 6)), ones((5, 3, 4))).shape == (2, 3, 9)
    assert sl.conv_transpose1d(ones((2, 6, 5)), ones((4, 3, 5)), layout="NWC").shape == (2, 9, 3)
    assert sl.conv_transpose2d(ones((2, 6, 7, 5)), ones((4, 2, 3, 5)), layout="NHWC").shape == (2, 9, 8, 3)
    assert sl.conv_transpose3d(ones((2, 2, 6, 7, 5)), ones((3, 4, 2, 3, 5)), layout="NDHWC").shape == (2, 4, 9, 8, 3)
    assert sl.conv_transpose2d(ones((5, 6, 7)), ones((5, 3, 4, 2)), stride=2).shape == (3, 14, 14)
    assert sl.conv_transpose2d(ones((0, 6, 5, 8)), W).shape == (0, 4, 7, 9)
    grouped = sl.conv_transpose2d(ones((2, 6, 5, 8)), ones((6, 2, 3, 2)), np.arange(6.0), groups=3)
    assert grouped.shape == (2, 6, 7, 9)


def test_arguments_in_the_order_of_pytorch():
    """Keywords only, so the order is that of the signature as documented."""
    names = list(__import__("inspect").signature(sl.conv_transpose2d).parameters)
    assert names[:8] == ["x", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"]


def test_memory_order_is_kept(monkeypatch):
    """Machine code writes channels last whatever the order of the input."""
    monkeypatch.setenv("SEVENLOOPS_BACKEND", "numpy")
    for memory, order in (("contiguous", [0, 1, 2, 3]), ("channels-last", [0, 2, 3, 1])):
        y = sl.conv_transpose2d(arranged(X, memory), W, np.ones(4), stride=2)
        assert sorted(range(4), key=lambda axis, y=y: -y.strides[axis]) == order


def test_float16_adds_the_bias_before_rounding():
    """2049 is no float16; 2049 - 1 is."""
    x = np.array([[[2048.0], [1.0]]], np.float16)
    w = np.ones((2, 1, 1), np.float16)
    assert sl.conv_transpose1d(x, w, np.array([-1], np.float16))[0, 0, 0] == 2048
    large = np.array([[[60000.0], [60000.0]]], np.float16)
    assert sl.conv_transpose1d(large, w, np.array([-60000], np.float16))[0, 0, 0] == 60000


@pytest.mark.parametrize(("refused", "place"), [("forward", 0), ("weight_grad", 1)])
def test_all_passes_are_checked_at_the_call(refused, place):
    """The gradient of x is the forward pass of the convolution that goes the other way."""
    with picky(refused):
        arguments = [X, W]
        sl.conv_transpose2d(*arguments, algorithm="picky")
        sl.conv_transpose2d(*map(sl.Tensor, arguments), algorithm="picky")
        arguments[place] = sl.Tensor(arguments[place], requires_grad=True)
        with pytest.raises(UnsupportedGeometryError, match=f"picky cannot compute this {refused}: it is picky"):
            sl.conv_transpose2d(*arguments, algorithm="picky")
        with sl.no_grad():
            sl.conv_transpose2d(*arguments, algorithm="picky")


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        (
            ShapeError,
            {"output_padding": 1},
            ["output_padding", "less than the stride or the dilation", "is 1", "use 0"],
        ),
        (ShapeError, {"output_padding": (0, 2), "stride": 2}, ["axis 1", "is 2", "stride 2", "dilation 1", "use 1"]),
        (ShapeError, {"output_padding": -1}, ["output_padding", "at least 0", "-1"]),
        (ShapeError, {"output_padding": (0,)}, ["output_padding", "per spatial axis (2)", "got 1"]),
        (TypeError, {"output_padding": 0.0}, ["output_padding", "integer", "0.0"]),
        (ShapeError, {"padding": "same"}, ["padding", '"valid"', "'same'"]),
        (ShapeError, {"padding": 9}, ["must not be empty", "(5 - 1)·1 + 3 - 9 - 9 + 0 = -11", "use less padding"]),
        (ShapeError, {"padding": -1}, ["padding", "at least 0", "-1"]),
        (ShapeError, {"stride": 0}, ["stride", "at least 1", "got 0"]),
        (ShapeError, {"stride": 10**30}, ["elements at most", "result", "use smaller"]),
        (ShapeError, {"stride": 10**9}, ["elements at most", "result", "use smaller"]),
        (ShapeError, {"dilation": 10**30}, ["elements at most", "result"]),
        (ShapeError, {"groups": 4}, ["groups", "4 does not divide 6", "use a divisor of 6"]),
        (ShapeError, {"x": X[:, :5]}, ["input-channel", "weight has 6", "input 5", "check"]),
        (ShapeError, {"x": X[:, :, :0]}, ["at least one element", "(2, 6, 0, 8)"]),
        (ShapeError, {"x": X[0, 0]}, ["x must have 4 axes (NCHW)", "has 2"]),
        (ShapeError, {"weight": W[:, :0]}, ["at least one output channel", "0 channels"]),
        (ShapeError, {"weight": W[0]}, ["weight must have 4 axes", "has 3"]),
        (ShapeError, {"bias": np.ones(6)}, ["bias", "(4,)", "(6,)"]),
        (ShapeError, {"bias": np.ones((4, 1))}, ["bias", "(4,)", "(4, 1)", "bias.reshape(4)"]),
        (ShapeError, {"layout": "NHWC"}, ["input-channel", "weight has 2", "input 8", "layout"]),
        (ValueError, {"layout": "NCW"}, ["layout", '"NCHW" or "NHWC"', "'NCW'"]),
        (TypeError, {"x": None}, ["x must be an array", "None"]),
        (TypeError, {"weight": W.astype("f4")}, ["share one dtype", "x is float64", "weight is float32"]),
        (TypeError, {"algorithm": 1}, ["algorithm", "1"]),
        (UnknownAlgorithmError, {"algorithm": "deconv"}, ["algorithm", "loops", "'deconv'"]),
    ],
    ids=lambda v: str(v)[:30] if type(v) is dict else "",
)
def test_what_is_refused(kind, changed, said):
    assert_refused(kind, lambda: sl.conv_transpose2d(**{"x": X, "weight": W, **changed}), *said)
