"""conv1d, conv2d and conv3d as users call them: layouts, padding, the batch axis, Tensors, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.errors import ShapeError, UnknownAlgorithmError, UnsupportedGeometryError
from tests.helpers import oracle
from tests.helpers.cases import conv_cases, seeded_cases
from tests.helpers.checks import (
    ALGORITHMS,
    assert_close,
    assert_right,
    compute,
    from_layout,
    judge,
    must_accept,
    to_layout,
    weight_from_layout,
    weight_to_layout,
)
from tests.helpers.ladder import picky
from tests.helpers.refusals import assert_refused

RNG = np.random.default_rng(20)
X = RNG.standard_normal((2, 4, 7, 9))
W = RNG.standard_normal((6, 4, 3, 2))
B = RNG.standard_normal(6)
PARAMETERS = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}


def test_by_hand():
    """Cross-correlation: the kernel is not flipped."""
    x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    w = np.array([[[[1.0, 10.0]]]])
    np.testing.assert_array_equal(sl.conv2d(x, w), [[[[21.0, 32.0], [54.0, 65.0]]]])
    np.testing.assert_array_equal(sl.conv2d(x, w, np.array([100.0])), [[[[121.0, 132.0], [154.0, 165.0]]]])
    line = sl.conv1d(x[:, :, 0], w[0], padding=((1, 0),))
    np.testing.assert_array_equal(line, [[[10.0, 21.0, 32.0]]])
    box = sl.conv3d(x[None], w[None], padding=((0, 0), (0, 0), (0, 1)))
    np.testing.assert_array_equal(box, [[[[[21.0, 32.0, 3.0], [54.0, 65.0, 6.0]]]]])


@settings(max_examples=80)
@given(case=conv_cases(), dtype=st.sampled_from(["float16", "float32", "float64"]))
def test_auto_is_right(case, dtype):
    assert_right(case, "forward", "auto", dtype)


# --- padding ------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_same(data):
    """out = ceil(in / stride), with as little padding as that takes and the odd one at the end."""
    axes = data.draw(st.integers(1, 3))
    size, kernel, stride, dilation = (
        tuple(data.draw(st.integers(1, high)) for _ in range(axes)) for high in (9, 5, 4, 3)
    )
    x = np.random.default_rng(0).standard_normal((2, 2, *size))
    w = np.random.default_rng(1).standard_normal((3, 2, *kernel))
    y = getattr(sl, f"conv{axes}d")(x, w, stride=stride, dilation=dilation, padding="same")
    assert y.shape[2:] == tuple(-(-n // s) for n, s in zip(size, stride))
    pads = tuple(map(oracle.same_pads, size, kernel, stride, dilation))
    assert all(after - before in (0, 1) for before, after in pads)
    expected = oracle.forward(x, w, stride=stride, padding=pads, dilation=dilation, groups=1)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


def test_same_does_not_look_at_the_batch():
    w = W[:, :, :3, :2]
    whole = sl.conv2d(np.concatenate([X] * 3), w, padding="same", stride=2)
    np.testing.assert_allclose(whole[:2], sl.conv2d(X, w, padding="same", stride=2), rtol=1e-13, atol=1e-13)
    assert whole.shape == (6, 6, 4, 5)


@pytest.mark.parametrize(
    ("padding", "pads"),
    [
        (0, ((0, 0), (0, 0))),
        ("valid", ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ((1, 3), ((1, 1), (3, 3))),
        (((1, 2), (0, 3)), ((1, 2), (0, 3))),
        ((1, (2, 0)), ((1, 1), (2, 0))),
        ([[4, 0], 5], ((4, 0), (5, 5))),
        (np.array([[1, 0], [2, 3]]), ((1, 0), (2, 3))),
        (np.int64(1), ((1, 1), (1, 1))),
    ],
)
def test_padding_forms(padding, pads):
    expected = oracle.forward(X, W, B, **{**PARAMETERS, "padding": pads})
    np.testing.assert_allclose(sl.conv2d(X, W, B, padding=padding), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("value", [2, (2, 2), [2, 2], np.array([2, 2]), np.uint8(2), np.array(2)])
def test_an_integer_is_one_for_every_axis(value):
    expected = sl.conv2d(X, W, B, stride=(2, 2), dilation=(2, 2), padding=((2, 2), (2, 2)))
    np.testing.assert_array_equal(sl.conv2d(X, W, B, stride=value, dilation=value, padding=value), expected)


# --- layouts, batch, array-likes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["auto", *ALGORITHMS])
def test_layouts_agree(algorithm):
    agreed = 0
    for case in seeded_cases(40, seed=21):
        arrays = case.arrays("float64")
        try:
            first, last = (
                compute(replace(case, channels_last=channels_last), "forward", algorithm, arrays)
                for channels_last in (False, True)
            )
        except UnsupportedGeometryError:
            assert not must_accept(case, algorithm)
        else:
            np.testing.assert_allclose(first, last, rtol=1e-10, atol=1e-10)
            agreed += 1
    assert agreed >= 5


def test_shapes_of_each_layout():
    ones = np.ones
    assert sl.conv1d(ones((2, 3, 9)), ones((5, 3, 4))).shape == (2, 5, 6)
    assert sl.conv1d(ones((2, 9, 3)), ones((4, 3, 5)), layout="NWC").shape == (2, 6, 5)
    assert sl.conv2d(ones((2, 3, 9, 8)), ones((5, 3, 4, 2))).shape == (2, 5, 6, 7)
    assert sl.conv2d(ones((2, 9, 8, 3)), ones((4, 2, 3, 5)), layout="NHWC").shape == (2, 6, 7, 5)
    assert sl.conv3d(ones((2, 3, 4, 9, 8)), ones((5, 3, 3, 4, 2))).shape == (2, 5, 2, 6, 7)
    assert sl.conv3d(ones((2, 4, 9, 8, 3)), ones((3, 4, 2, 3, 5)), layout="NDHWC").shape == (2, 2, 6, 7, 5)


@settings(max_examples=30)
@given(case=conv_cases())
def test_the_batch_axis_may_be_absent(case):
    if case.batch == 0:
        return
    x, weight, bias, _ = case.arrays("float64")
    function = getattr(sl, f"conv{case.axes}d")
    x, weight = to_layout(x, case), weight_to_layout(weight, case)
    whole = function(x, weight, bias, layout=case.layout, **case.parameters)
    one = function(x[0], weight, bias, layout=case.layout, **case.parameters)
    assert one.shape == whole.shape[1:]
    np.testing.assert_allclose(one, whole[0], rtol=1e-12, atol=1e-12)


def test_lists_are_arrays():
    expected = sl.conv2d(X, W, B)
    np.testing.assert_array_equal(sl.conv2d(X.tolist(), W.tolist(), B.tolist()), expected)
    np.testing.assert_array_equal(sl.conv2d(X, W.tolist(), list(B)), expected)
    result = sl.conv2d(sl.Tensor(X), W.tolist(), B.tolist())
    assert isinstance(result, sl.Tensor)
    np.testing.assert_array_equal(result.numpy(), expected)


def test_no_images():
    for function, x, w in ((sl.conv1d, X[:0, :, 0], W[..., 0]), (sl.conv2d, X[:0], W)):
        assert function(x, w).shape[:2] == (0, 6)
        for name in ALGORITHMS:
            if name not in ("winograd", "fft"):
                assert function(x, w, algorithm=name).shape[:2] == (0, 6)


# --- dtypes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_is_kept(dtype):
    result = sl.conv2d(X.astype(dtype), W.astype(dtype), B.astype(dtype))
    assert result.dtype == dtype
    tensor = sl.conv2d(sl.Tensor(X.astype(dtype)), W.astype(dtype))
    assert tensor.dtype == dtype


def test_float16_computes_in_float32():
    """Sums beyond float16's 2048 consecutive integers, and beyond its largest number, come out right in the end."""
    ones = np.ones((1, 4001, 1, 1), np.float16)
    assert sl.conv2d(ones, ones)[0, 0, 0, 0] == np.float16(4001)
    large = np.full((1, 4, 1, 1), 60000, np.float16)
    signs = np.array([1, 1, -1, -0.5], np.float16).reshape(1, 4, 1, 1)
    assert sl.conv2d(large, signs)[0, 0, 0, 0] == 30000
    assert sl.conv2d(large, signs * 2, np.array([-30000], np.float16))[0, 0, 0, 0] == 30000  # 60000 before the bias
    bias = np.array([-60000], np.float16)
    doubled = sl.conv2d(large, np.full((1, 4, 1, 1), 0.5, np.float16), bias)  # 120000 before the bias
    assert doubled[0, 0, 0, 0] == 60000


@pytest.mark.parametrize("wrong", ["int64", "bool", "complex128", "object", "U3", "longdouble", "M8[s]"])
@pytest.mark.parametrize("name", ["x", "weight", "bias"])
def test_other_dtypes_are_refused(name, wrong):
    if np.dtype(wrong) == np.float64:
        return  # platforms whose long double is a double
    arrays = {"x": X, "weight": W, "bias": B}
    arrays[name] = np.zeros(arrays[name].shape, wrong)
    assert_refused(
        TypeError, lambda: sl.conv2d(**arrays), name, "float16, float32 or float64", np.dtype(wrong), "astype"
    )


def test_mixed_dtypes_are_refused():
    half, single = X.astype(np.float16), W.astype(np.float32)
    assert_refused(TypeError, lambda: sl.conv2d(half, single), "x is float16", "weight is float32", "astype")
    assert_refused(TypeError, lambda: sl.conv2d(X, W, B.astype(np.float32)), "bias is float32", "astype")
    assert_refused(TypeError, lambda: sl.conv2d(sl.Tensor(X), single), "weight is float32", "astype")


# --- Tensors ------------------------------------------------------------------------------------------------------


def test_any_tensor_makes_a_tensor():
    assert type(sl.conv2d(X, W, B)) is np.ndarray
    for place in range(3):
        arguments = [X, W, B]
        arguments[place] = sl.Tensor(arguments[place])
        result = sl.conv2d(*arguments)
        assert isinstance(result, sl.Tensor)
        assert not result.requires_grad
        np.testing.assert_array_equal(result.numpy(), sl.conv2d(X, W, B))


@settings(max_examples=60)
@given(case=conv_cases(), algorithm=st.sampled_from(["auto", *sl.algorithms()]))
def test_backward_agrees_with_the_definition(case, algorithm):
    """The cotangent is random: all ones would hide exchanged positions and channels."""
    x, weight, bias, grad = case.arrays("float64")
    tensors = [
        None if a is None else sl.Tensor(a, requires_grad=True)
        for a in (to_layout(x, case), weight_to_layout(weight, case), bias)
    ]
    function = getattr(sl, f"conv{case.axes}d")
    try:
        y = function(*tensors, layout=case.layout, algorithm=algorithm, **case.parameters)
    except UnsupportedGeometryError:
        assert not must_accept(case, algorithm)
        return
    y.backward(np.ascontiguousarray(to_layout(grad, case)).astype(np.float64))
    grad = grad.astype(np.float64)
    dx, dw = from_layout(tensors[0].grad, case), weight_from_layout(tensors[1].grad, case)
    for result, function, operands, extra in (
        (dx, oracle.input_grad, (grad, weight), {"input_size": case.size}),
        (dw, oracle.weight_grad, (grad, x), {"kernel_size": case.kernel}),
    ):
        operands = (a.astype(np.float64) for a in operands)
        assert_close(result, *judge(function, *operands, **extra, **case.parameters), algorithm, "float64")
    if bias is not None:
        np.testing.assert_allclose(tensors[2].grad, grad.sum((0, *range(2, grad.ndim))), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_gradients_have_the_dtype(dtype):
    tensors = [sl.Tensor(a.astype(dtype), requires_grad=True) for a in (X, W, B)]
    y = sl.conv2d(*tensors, stride=2)
    y.backward(np.ones(y.shape, dtype))
    assert [t.grad.dtype for t in tensors] == [np.dtype(dtype)] * 3


def test_gradients_are_summed_over_the_batch_not_averaged():
    """Twice the images, twice the gradient."""
    once, twice = (sl.Tensor(W, requires_grad=True) for _ in range(2))
    sl.conv2d(X, once).backward(np.ones((2, 6, 5, 8)))
    sl.conv2d(np.concatenate([X, X]), twice).backward(np.ones((4, 6, 5, 8)))
    np.testing.assert_allclose(twice.grad, 2 * once.grad, rtol=1e-12)


def test_only_what_is_wanted_is_computed():
    x, weight = sl.Tensor(X), sl.Tensor(W, requires_grad=True)
    sl.conv2d(x, weight, B).backward(np.ones((2, 6, 5, 8)))
    assert x.grad is None
    assert weight.grad is not None
    with sl.no_grad():
        assert not sl.conv2d(x, weight).requires_grad


@pytest.mark.parametrize(("refused", "place"), [("input_grad", 0), ("weight_grad", 1)])
def test_all_passes_are_checked_at_the_call(refused, place):
    """An algorithm that cannot compute a gradient says so before the loss is computed, and only if one is wanted."""
    with picky(refused):
        arguments = [X, W, B]
        sl.conv2d(*arguments, algorithm="picky")
        sl.conv2d(*map(sl.Tensor, arguments), algorithm="picky")
        arguments[place] = sl.Tensor(arguments[place], requires_grad=True)
        assert_refused(
            UnsupportedGeometryError,
            lambda: sl.conv2d(*arguments, algorithm="picky"),
            f"picky cannot compute this {refused}",
            "it is picky",
            'algorithm="auto"',
        )
        assert sl.conv2d(*arguments).requires_grad  # auto takes another one
        with sl.no_grad():
            sl.conv2d(*arguments, algorithm="picky")
        other = [X, W, B]
        other[1 - place] = sl.Tensor(other[1 - place], requires_grad=True)
        sl.conv2d(*other, algorithm="picky").backward(np.ones((2, 6, 5, 8)))


# --- what is refused, and how -------------------------------------------------------------------------------------

REFUSED = [
    # type of the exception, arguments, what its message says: the rule, the value, perhaps the remedy
    (ShapeError, {"stride": 0}, ["stride", "at least 1", "got 0"]),
    (ShapeError, {"stride": -1}, ["stride", "at least 1", "got -1"]),
    (ShapeError, {"stride": (1, 0)}, ["stride[1]", "at least 1", "got 0"]),
    (ShapeError, {"stride": (1,)}, ["stride", "per spatial axis (2)", "got 1: (1,)"]),
    (ShapeError, {"stride": (1, 2, 3)}, ["stride", "per spatial axis (2)", "got 3"]),
    (ShapeError, {"stride": []}, ["stride", "per spatial axis (2)", "got 0: []"]),
    (TypeError, {"stride": 1.0}, ["stride", "integer", "1.0"]),
    (TypeError, {"stride": (1, 2.5)}, ["stride[1]", "integer", "2.5"]),
    (TypeError, {"stride": True}, ["stride", "integer", "True"]),
    (TypeError, {"stride": np.True_}, ["stride", "integer", "True"]),
    (TypeError, {"stride": "2"}, ["stride", "integer", "'2'"]),
    (TypeError, {"stride": None}, ["stride", "integer", "None"]),
    (TypeError, {"stride": {1, 2}}, ["stride", "integer", "set"]),
    (TypeError, {"stride": float("nan")}, ["stride", "integer", "nan"]),
    (TypeError, {"stride": [[1], [2]]}, ["stride[0]", "integer", "[1]"]),
    (ShapeError, {"dilation": 0}, ["dilation", "at least 1", "got 0"]),
    (TypeError, {"dilation": 1.5}, ["dilation", "integer", "1.5"]),
    (
        ShapeError,
        {"dilation": 4},
        ["kernel must fit", "covers 9", "size 3, dilation 4", "7 + 0 + 0", "smaller kernel"],
    ),
    (ShapeError, {"dilation": 10**30}, ["kernel must fit", "dilation 1" + "0" * 30, "more padding"]),
    (ShapeError, {"padding": -1}, ["padding", "at least 0", "got -1"]),
    (ShapeError, {"padding": ((1, 2), (3, -4))}, ["padding[1][1]", "at least 0", "got -4"]),
    (ShapeError, {"padding": ((1, 2, 3), 1)}, ["padding[0]", "(before, after)", "(1, 2, 3)"]),
    (ShapeError, {"padding": ((1, 2),)}, ["padding", "per spatial axis (2)", "got 1"]),
    (ShapeError, {"padding": (1, 2, 3, 4)}, ["padding", "per spatial axis (2)", "got 4"]),
    (ShapeError, {"padding": "full"}, ["padding", '"valid" or "same"', "'full'"]),
    (ShapeError, {"padding": "SAME"}, ["padding", '"valid" or "same"', "'SAME'"]),
    (TypeError, {"padding": 1.0}, ["padding", "integer", "1.0"]),
    (TypeError, {"padding": None}, ["padding", "integer", "None"]),
    (TypeError, {"padding": b"same"}, ["padding", "integer", "b'same'"]),
    (ShapeError, {"padding": 10**30}, ["elements at most", "output", str(2 * 10**30 + 5), "use smaller"]),
    (ShapeError, {"padding": (10**12, 10**9)}, ["elements at most", "output", "use smaller"]),
    (ShapeError, {"groups": 0}, ["groups", "at least 1", "got 0"]),
    (ShapeError, {"groups": 3}, ["groups", "divide", "3 does not divide 4", "use a divisor of 4"]),
    (ShapeError, {"groups": 2}, ["groups", "4 · 2 = 8", "has 4", "check"]),
    (TypeError, {"groups": (1,)}, ["groups", "integer", "(1,)"]),
    (TypeError, {"groups": 1.0}, ["groups", "integer", "1.0"]),
    (ValueError, {"layout": "NHCW"}, ["layout", '"NCHW" or "NHWC"', "'NHCW'"]),
    (ValueError, {"layout": "NCW"}, ["layout", '"NCHW" or "NHWC"', "2 spatial axes", "'NCW'"]),
    (ShapeError, {"layout": "NHWC"}, ["input channels", "3 · 1 = 3", "has 9", "layout NHWC", "check the layout"]),
    (TypeError, {"layout": None}, ["layout", "None"]),
    (TypeError, {"layout": ["NCHW"]}, ["layout", "['NCHW']"]),
    (UnknownAlgorithmError, {"algorithm": "fast"}, ["algorithm", "loops", "im2col", "'fast'"]),
    (UnknownAlgorithmError, {"algorithm": ""}, ["algorithm", "loops", "''"]),
    (TypeError, {"algorithm": None}, ["algorithm", "name", "None"]),
    (TypeError, {"algorithm": ["loops"]}, ["algorithm", "name", "['loops']"]),
    (ShapeError, {"max_workspace": -1}, ["max_workspace", "at least 0", "got -1"]),
    (TypeError, {"max_workspace": 1.5}, ["max_workspace", "integer", "1.5"]),
    (TypeError, {"max_workspace": True}, ["max_workspace", "integer", "True"]),
    (
        UnsupportedGeometryError,
        {"algorithm": "im2col", "max_workspace": 10},
        ["im2col cannot", "forward", "workspace", "10 bytes", 'algorithm="auto"'],
    ),
    (TypeError, {"x": None}, ["x must be an array", "None"]),
    (TypeError, {"weight": None}, ["weight must be an array", "None"]),
    (ShapeError, {"x": X[0, 0]}, ["x must have 4 axes (NCHW)", "3 without the batch axis", "has 2"]),
    (ShapeError, {"x": X[None]}, ["x must have 4 axes (NCHW)", "has 5"]),
    (ShapeError, {"x": np.float64(1)}, ["x must have 4 axes (NCHW)", "has 0"]),
    (ShapeError, {"x": []}, ["x must have 4 axes (NCHW)", "has 1"]),
    (ShapeError, {"weight": W[0]}, ["weight must have 4 axes", "(out, in, *kernel)", "has 3"]),
    (ShapeError, {"x": X[:, :3]}, ["input channels", "4 · 1 = 4", "has 3"]),
    (ShapeError, {"x": X[:, :, :0]}, ["at least one element", "(2, 4, 0, 9)"]),
    (ShapeError, {"x": X[:, :, :2]}, ["kernel must fit", "covers 3", "2 + 0 + 0", "larger input"]),
    (ShapeError, {"weight": W[:0], "bias": None}, ["at least one output channel", "0 channels"]),
    (ShapeError, {"weight": W[:, :, :0]}, ["one element per kernel axis", "(0, 2)"]),
    (ShapeError, {"bias": B[:, None]}, ["one entry per output channel", "(6,)", "(6, 1)", "bias.reshape(6)"]),
    (ShapeError, {"bias": B[None]}, ["one entry per output channel", "(6,)", "(1, 6)", "bias.reshape(6)"]),
    (ShapeError, {"bias": B[:5]}, ["one entry per output channel", "(6,)", "(5,)"]),
    (ShapeError, {"bias": 1.0}, ["one entry per output channel", "(6,)", "()"]),
]


@pytest.mark.parametrize(("kind", "changed", "said"), REFUSED, ids=lambda v: str(v)[:40] if type(v) is dict else "")
def test_what_is_refused(kind, changed, said):
    arguments = {"x": X, "weight": W, "bias": B, **changed}
    assert_refused(kind, lambda: sl.conv2d(**arguments), *said)
    for name in ("x", "weight", "bias"):
        if type(arguments[name]) is np.ndarray:
            arguments[name] = sl.Tensor(arguments[name], requires_grad=True)
    assert_refused(kind, lambda: sl.conv2d(**arguments), *said)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownAlgorithmError) as refusal:
        sl.conv2d(X, W, algorithm="winograd3")
    assert all(name in str(refusal.value) for name in sl.algorithms())


def test_refused_calls_leave_nothing_behind():
    """A refusal is not remembered in place of an answer, nor the other way round."""
    for _ in range(2):
        with pytest.raises(ShapeError):
            sl.conv2d(X, W, stride=0)
        assert sl.conv2d(X, W, stride=1).shape == (2, 6, 5, 8)
        with pytest.raises(UnsupportedGeometryError):
            sl.conv2d(X, W, algorithm="im2col", max_workspace=1)
        assert sl.conv2d(X, W, algorithm="im2col").shape == (2, 6, 5, 8)
