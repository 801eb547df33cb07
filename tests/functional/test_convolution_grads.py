"""conv*_input_grad and conv*_weight_grad: the adjoints of the forward functions, for arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.errors import ShapeError, UnknownAlgorithmError, UnsupportedGeometryError
from tests.helpers.cases import conv_cases
from tests.helpers.checks import ALGORITHMS, assert_right, must_accept, to_layout, weight_to_layout
from tests.helpers.refusals import assert_refused

RNG = np.random.default_rng(30)
X = RNG.standard_normal((2, 4, 7, 9))
W = RNG.standard_normal((6, 4, 3, 2))
G = RNG.standard_normal((2, 6, 5, 8))


@pytest.mark.parametrize("direction", ["input_grad", "weight_grad"])
@settings(max_examples=80)
@given(case=conv_cases(), dtype=st.sampled_from(["float16", "float32", "float64"]))
def test_auto_is_right(direction, case, dtype):
    assert_right(case, direction, "auto", dtype)


def called(case, name, *arrays, **options):
    function = getattr(sl, f"conv{case.axes}d{name}")
    return function(*arrays, layout=case.layout, **case.parameters, **options)


@settings(max_examples=60)
@given(case=conv_cases(), algorithm=st.sampled_from(["auto", *sl.algorithms()]))
def test_adjoints_of_the_forward_pass(case, algorithm):
    """⟨conv(x, w), g⟩ = ⟨x, input_grad(g, w)⟩ = ⟨w, weight_grad(g, x)⟩, for random x, w and g."""
    x, weight, _, grad = (None if a is None else a.astype(np.float64) for a in case.arrays("float64"))
    x, weight, grad = to_layout(x, case), weight_to_layout(weight, case), to_layout(grad, case)
    try:
        y = called(case, "", x, weight, algorithm=algorithm)
        dx = called(case, "_input_grad", grad, weight, x.shape, algorithm=algorithm)
        dw = called(case, "_weight_grad", grad, x, case.kernel, algorithm=algorithm)
    except UnsupportedGeometryError:
        assert not must_accept(case, algorithm)
        return
    assert (dx.shape, dw.shape) == (x.shape, weight.shape)
    scale = np.linalg.norm(y) * np.linalg.norm(grad)
    np.testing.assert_allclose(np.vdot(dx, x), np.vdot(y, grad), rtol=0, atol=1e-11 * scale)
    np.testing.assert_allclose(np.vdot(dw, weight), np.vdot(y, grad), rtol=0, atol=1e-11 * scale)


@settings(max_examples=40)
@given(case=conv_cases())
def test_the_same_as_backward(case):
    """Bit for bit: a Tensor's gradient is what these functions return."""
    x, weight, _, grad = (None if a is None else np.ascontiguousarray(a, "float64") for a in case.arrays("float64"))
    x, weight = (np.ascontiguousarray(a) for a in (to_layout(x, case), weight_to_layout(weight, case)))
    grad = np.ascontiguousarray(to_layout(grad, case))
    tensors = sl.Tensor(x, requires_grad=True), sl.Tensor(weight, requires_grad=True)
    called(case, "", *tensors, algorithm="im2col").backward(grad)
    dx = called(case, "_input_grad", grad, weight, x.shape, algorithm="im2col")
    dw = called(case, "_weight_grad", grad, x, case.kernel, algorithm="im2col")
    np.testing.assert_array_equal(tensors[0].grad, dx)
    np.testing.assert_array_equal(tensors[1].grad, dw)


def test_by_hand():
    g, w, x = np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0, 100.0]]]), np.array([[[1.0, 2.0, 4.0, 8.0, 16.0]]])
    np.testing.assert_array_equal(sl.conv1d_input_grad(g, w, (1, 1, 5), stride=2), [[[1, 10, 102, 20, 200]]])
    np.testing.assert_array_equal(sl.conv1d_weight_grad(g, x, 3, stride=2), [[[1 + 8, 2 + 16, 4 + 32]]])


def test_input_size_chooses_among_those_with_the_same_output():
    """With stride 2 an input of 5 and of 6 have two windows of 3 each; the last position is in none."""
    g, w = np.ones((1, 1, 2)), np.ones((1, 1, 3))
    five = sl.conv1d_input_grad(g, w, (1, 1, 5), stride=2)
    six = sl.conv1d_input_grad(g, w, (1, 1, 6), stride=2)
    np.testing.assert_array_equal(five.ravel(), [1, 1, 2, 1, 1])
    np.testing.assert_array_equal(six.ravel(), [1, 1, 2, 1, 1, 0])


@settings(max_examples=30)
@given(case=conv_cases())
def test_the_batch_axis_may_be_absent(case):
    if case.batch != 1:
        return
    x, weight, _, grad = case.arrays("float64")
    x, weight, grad = to_layout(x, case), weight_to_layout(weight, case), to_layout(grad, case)
    dx = called(case, "_input_grad", grad, weight, x.shape)
    dw = called(case, "_weight_grad", grad, x, case.kernel)
    np.testing.assert_array_equal(called(case, "_input_grad", grad[0], weight, x.shape[1:]), dx[0])
    np.testing.assert_allclose(called(case, "_weight_grad", grad[0], x[0], case.kernel), dw, rtol=1e-12, atol=1e-12)


def test_no_images_have_no_gradient():
    assert sl.conv2d_input_grad(G[:0], W, (0, 4, 7, 9)).shape == (0, 4, 7, 9)
    for name in ("auto", *ALGORITHMS):
        if name not in ("winograd", "fft"):
            np.testing.assert_array_equal(
                sl.conv2d_weight_grad(G[:0], X[:0], (3, 2), algorithm=name), np.zeros(W.shape)
            )


def test_array_likes():
    dx, dw = sl.conv2d_input_grad(G, W, X.shape), sl.conv2d_weight_grad(G, X, (3, 2))
    assert type(dx) is type(dw) is np.ndarray
    np.testing.assert_array_equal(sl.conv2d_input_grad(G.tolist(), W.tolist(), list(X.shape)), dx)
    np.testing.assert_array_equal(sl.conv2d_input_grad(G, W, np.array(X.shape)), dx)
    np.testing.assert_array_equal(sl.conv2d_weight_grad(G.tolist(), X.tolist(), np.array([3, 2])), dw)


def input_grad(grad_output=G, weight=W, input_size=X.shape, **options):
    return sl.conv2d_input_grad(grad_output, weight, input_size, **options)


def weight_grad(grad_output=G, x=X, kernel_size=(3, 2), **options):
    return sl.conv2d_weight_grad(grad_output, x, kernel_size, **options)


@pytest.mark.parametrize("function", [input_grad, weight_grad])
@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        (ShapeError, {"stride": 0}, ["stride", "at least 1", "got 0"]),
        (TypeError, {"padding": 0.5}, ["padding", "integer", "0.5"]),
        (ShapeError, {"padding": 1}, ["grad_output", "(2, 6, 7, 10)", "(2, 6, 5, 8)", "check"]),
        (ShapeError, {"stride": 2}, ["grad_output", "(2, 6, 3, 4)", "(2, 6, 5, 8)", "check"]),
        (ShapeError, {"grad_output": G[:1]}, ["grad_output", "(2, 6, 5, 8)", "(1, 6, 5, 8)", "check"]),
        (TypeError, {"grad_output": None}, ["grad_output must be an array", "None"]),
        (
            TypeError,
            {"grad_output": G.astype(int)},
            ["grad_output", "float16, float32 or float64", "int64", "astype"],
        ),
        (TypeError, {"grad_output": G.astype("f4")}, ["share one dtype", "grad_output is float32", "float64"]),
        (ShapeError, {"groups": 3}, ["groups", "3 does not divide 4"]),
        (ValueError, {"layout": "NWC"}, ["layout", '"NCHW" or "NHWC"', "'NWC'"]),
        (UnknownAlgorithmError, {"algorithm": "gemm"}, ["algorithm", "loops", "'gemm'"]),
        (TypeError, {"max_workspace": "1"}, ["max_workspace", "integer", "'1'"]),
    ],
    ids=lambda v: str(v)[:30] if type(v) is dict else "",
)
def test_what_both_refuse(function, kind, changed, said):
    assert_refused(kind, lambda: function(**changed), *said)


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        (ShapeError, {"input_size": (2, 4, 7)}, ["input_size", "4 entries", "(2, 4, 7)"]),
        (TypeError, {"input_size": 7}, ["input_size", "4 entries", "7"]),
        (TypeError, {"input_size": None}, ["input_size", "4 entries", "None"]),
        (TypeError, {"input_size": "2479"}, ["input_size", "4 entries", "'2479'"]),
        (TypeError, {"input_size": (2, 4, 7.0, 9)}, ["input_size[2]", "integer", "7.0"]),
        (ShapeError, {"input_size": (2, 4, -7, 9)}, ["input_size[2]", "at least 0", "-7"]),
        (
            ShapeError,
            {"input_size": (2, 4, 8, 9)},
            ["grad_output", "(2, 6, 6, 8)", "(2, 6, 5, 8)", "check input_size"],
        ),
        (ShapeError, {"input_size": (3, 4, 7, 9)}, ["grad_output", "(3, 6, 5, 8)", "(2, 6, 5, 8)"]),
        (ShapeError, {"input_size": (2, 5, 7, 9)}, ["input channels", "4 · 1 = 4", "has 5"]),
        (ShapeError, {"input_size": (2, 4, 10**30, 9)}, ["elements at most", "input", str(10**30)]),
        (ShapeError, {"grad_output": G[0]}, ["input_size", "3 entries"]),
        (ShapeError, {"grad_output": G[0, 0]}, ["grad_output must have 4 axes (NCHW)", "has 2"]),
        (ShapeError, {"weight": W[0]}, ["weight must have 4 axes", "has 3"]),
        (TypeError, {"weight": None}, ["weight must be an array", "None"]),
    ],
    ids=lambda v: str(v)[:30] if type(v) is dict else "",
)
def test_what_input_grad_refuses(kind, changed, said):
    assert_refused(kind, lambda: input_grad(**changed), *said)


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        (ShapeError, {"kernel_size": 0}, ["kernel_size", "at least 1", "got 0"]),
        (TypeError, {"kernel_size": 3.0}, ["kernel_size", "integer", "3.0"]),
        (TypeError, {"kernel_size": None}, ["kernel_size", "integer", "None"]),
        (TypeError, {"kernel_size": "32"}, ["kernel_size", "integer", "'32'"]),
        (ShapeError, {"kernel_size": (3,)}, ["kernel_size", "per spatial axis (2)", "got 1"]),
        (ShapeError, {"kernel_size": 3}, ["grad_output", "(2, 6, 5, 7)", "(2, 6, 5, 8)"]),
        (ShapeError, {"kernel_size": 10**30}, ["kernel must fit", str(10**30)]),
        (ShapeError, {"kernel_size": 10**15, "padding": 10**15}, ["elements at most", "weight"]),
        (ShapeError, {"groups": 4}, ["groups", "output", "4 does not divide 6"]),
        (ShapeError, {"grad_output": G[0]}, ["equally many axes", "3 and 4"]),
        (ShapeError, {"grad_output": G[:, :0]}, ["at least one output channel", "0 channels"]),
        (ShapeError, {"x": X[:, :, :, 0]}, ["equally many axes", "4 and 3"]),
        (ShapeError, {"x": X[0, 0]}, ["x must have 4 axes (NCHW)", "has 2"]),
        (TypeError, {"x": None}, ["x must be an array", "None"]),
    ],
    ids=lambda v: str(v)[:30] if type(v) is dict else "",
)
def test_what_weight_grad_refuses(kind, changed, said):
    assert_refused(kind, lambda: weight_grad(**changed), *said)
