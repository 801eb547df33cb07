"""The public functions: layouts, absent batch axes, Tensors, and what they refuse."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenloops import functional as F
from sevenloops.autograd import Tensor, no_grad
from sevenloops.errors import ShapeError, UnknownAlgorithmError
from sevenloops.testing import check_gradients
from tests.helpers import pooling as oracle
from tests.helpers.cases import snapshot
from tests.helpers.pooling import adaptive_cases, pool_cases


def public(name, axes, suffix=""):
    return getattr(F, f"{name}_pool{axes}d{suffix}")


def to_layout(array, case):
    return np.moveaxis(array, 1, -1) if case.channels_last else array


def from_layout(array, case):
    return np.moveaxis(array, -1, 1) if case.channels_last else array


def values(x):
    """The numbers of an array of any byte order and memory."""
    return np.array(x, np.float64)


# --- values and gradients, against the definition -------------------------------------------------------------------


@given(case=pool_cases(), algorithm=st.sampled_from(["auto", *F.pooling_algorithms()]))
def test_maximum_and_its_gradient(case, algorithm):
    x, grad = case.x(), case.grad()
    before = snapshot(x, grad)
    options = {"dilation": case.dilation, "layout": case.layout, "algorithm": algorithm, **case.parameters}
    y, indices = public("max", case.axes)(to_layout(x, case), case.kernel, return_indices=True, **options)
    expected, places = oracle.maximum(values(x), case.windows)
    np.testing.assert_array_equal(from_layout(y, case), expected)
    np.testing.assert_array_equal(from_layout(indices, case), places)
    size = to_layout(x, case).shape
    backward = public("max", case.axes, "_input_grad")
    dx = backward(to_layout(grad, case), indices, size, case.kernel, **options)
    expected = oracle.maximum_grad(values(grad), places, case.x_shape)
    np.testing.assert_allclose(from_layout(dx, case), expected, rtol=1e-13)
    assert snapshot(x, grad) == before


@given(
    case=pool_cases(dilated=False),
    algorithm=st.sampled_from(["auto", *F.pooling_algorithms()]),
    count_include_pad=st.booleans(),
    divisor_override=st.sampled_from([None, None, 3, -2]),
)
def test_average_and_its_gradient(case, algorithm, count_include_pad, divisor_override):
    x, grad = case.x(), case.grad()
    before = snapshot(x, grad)
    how = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    options = {"layout": case.layout, "algorithm": algorithm, **how, **case.parameters}
    y = public("avg", case.axes)(to_layout(x, case), case.kernel, **options)
    np.testing.assert_allclose(from_layout(y, case), oracle.average(values(x), case.windows, **how), rtol=1e-13)
    size = to_layout(x, case).shape
    dx = public("avg", case.axes, "_input_grad")(to_layout(grad, case), size, case.kernel, **options)
    expected = oracle.average_grad(values(grad), case.windows, case.x_shape, **how)
    np.testing.assert_allclose(from_layout(dx, case), expected, rtol=1e-12, atol=1e-13)
    assert snapshot(x, grad) == before


@given(case=adaptive_cases())
def test_adaptive_pooling_and_its_gradients(case):
    x, grad = case.x(), case.grad()
    entered, size, layout = to_layout(x, case), to_layout(x, case).shape, case.layout
    before = snapshot(x, grad)
    y = public("adaptive_avg", case.axes)(entered, case.output_size, layout=layout)
    np.testing.assert_allclose(from_layout(y, case), oracle.average(values(x), case.windows), rtol=1e-13)
    dx = public("adaptive_avg", case.axes, "_input_grad")(to_layout(grad, case), size, layout=layout)
    expected = oracle.average_grad(values(grad), case.windows, case.x_shape)
    np.testing.assert_allclose(from_layout(dx, case), expected, rtol=1e-12, atol=1e-13)
    expected, places = oracle.maximum(values(x), case.windows)
    maximum = public("adaptive_max", case.axes)
    np.testing.assert_array_equal(from_layout(maximum(entered, case.output_size, layout=layout), case), expected)
    y, indices = maximum(entered, case.output_size, True, layout=layout)
    np.testing.assert_array_equal(from_layout(y, case), expected)
    np.testing.assert_array_equal(from_layout(indices, case), places)
    dx = public("adaptive_max", case.axes, "_input_grad")(to_layout(grad, case), indices, size, layout=layout)
    expected = oracle.maximum_grad(values(grad), places, case.x_shape)
    np.testing.assert_allclose(from_layout(dx, case), expected, rtol=1e-13)
    assert snapshot(x, grad) == before


@given(case=adaptive_cases())
def test_global_pooling_is_over_everything(case):
    x, spatial = case.x(), tuple(range(2, 2 + case.axes))
    average = public("global_avg", case.axes)(to_layout(x, case), layout=case.layout)
    maximum = public("global_max", case.axes)(to_layout(x, case), layout=case.layout)
    np.testing.assert_allclose(from_layout(average, case), values(x).mean(spatial, keepdims=True), rtol=1e-13)
    np.testing.assert_array_equal(from_layout(maximum, case), values(x).max(spatial, keepdims=True))


# --- Tensors --------------------------------------------------------------------------------------------------------


def distinct(shape, seed=0):
    """Numbers that are all at least one apart: a maximum of them can be differentiated numerically."""
    return np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape).astype(float)


@settings(max_examples=30)
@given(case=pool_cases(), algorithm=st.sampled_from(F.pooling_algorithms()))
def test_gradients_of_tensors_are_derivatives(case, algorithm):
    shape = to_layout(np.empty(case.x_shape), case).shape
    options = {"layout": case.layout, "algorithm": algorithm, **case.parameters}
    pool = public("max", case.axes)
    if all(window.inside for axis in case.windows for window in axis):  # -inf has no difference
        check_gradients(lambda x: pool(x, case.kernel, dilation=case.dilation, **options), distinct(shape))
    if set(case.dilation) == {1}:
        pool = public("avg", case.axes)
        check_gradients(lambda x: pool(x, case.kernel, count_include_pad=False, **options), distinct(shape))
        check_gradients(lambda x: pool(x, case.kernel, divisor_override=3, **options), distinct(shape))


@settings(max_examples=30)
@given(case=adaptive_cases())
def test_gradients_of_tensors_through_adaptive_and_global_pooling(case):
    x = distinct(to_layout(np.empty(case.x_shape), case).shape)
    for kind in ("avg", "max"):
        pool, whole = public(f"adaptive_{kind}", case.axes), public(f"global_{kind}", case.axes)
        check_gradients(lambda x, pool=pool: pool(x, case.output_size, layout=case.layout), x)
        check_gradients(lambda x, pool=whole: pool(x, layout=case.layout), x)


def test_a_tensor_gives_a_tensor_and_indices_stay_an_array():
    x = Tensor(distinct((2, 3, 4, 4)), requires_grad=True)
    y, indices = F.max_pool2d(x, 2, return_indices=True)
    assert isinstance(y, Tensor)
    assert type(indices) is np.ndarray
    for result in (F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.adaptive_avg_pool2d(x, 3), F.global_max_pool2d(x)):
        assert isinstance(result, Tensor)
        assert result.requires_grad
    assert type(F.max_pool2d(x.data, 2)) is np.ndarray
    with no_grad():
        assert not F.max_pool2d(x, 2).requires_grad
    assert not F.max_pool2d(Tensor(x.data), 2).requires_grad


def test_writing_to_the_indices_does_not_change_the_gradient():
    x = Tensor(np.arange(4.0).reshape(1, 1, 4), requires_grad=True)
    y, indices = F.max_pool1d(x, 2, return_indices=True)
    indices[...] = 0
    y.backward(np.ones((1, 1, 2)))
    np.testing.assert_array_equal(x.grad, [[[0, 1, 0, 1]]])


@pytest.mark.parametrize("name", ["max", "avg", "adaptive_max", "adaptive_avg", "global_avg", "global_max"])
def test_memory_order_is_kept_both_ways(name):
    data = np.random.default_rng(0).standard_normal((2, 6, 8, 3)).astype(np.float32)
    arguments = () if "global" in name else (2,)
    x = Tensor(np.moveaxis(data, -1, 1), requires_grad=True)  # channels first in shape, last in memory
    y = public(name, 2)(x, *arguments)
    y.backward(np.ones(y.shape, np.float32))
    assert np.moveaxis(y.data, 1, -1).flags.c_contiguous
    assert np.moveaxis(x.grad, 1, -1).flags.c_contiguous
    x = Tensor(data, requires_grad=True)
    y = public(name, 2)(x, *arguments, layout="NHWC")
    y.backward(np.ones(y.shape, np.float32))
    assert y.data.flags.c_contiguous
    assert x.grad.flags.c_contiguous


def test_where_strides_leave_the_order_open_the_layout_decides():
    grad = np.ones((2, 1, 1, 3))
    indices = np.zeros((2, 1, 1, 3), np.int64)
    for dx in (
        F.adaptive_avg_pool2d_input_grad(grad, (2, 4, 5, 3), layout="NHWC"),
        F.adaptive_max_pool2d_input_grad(grad, indices, (2, 4, 5, 3), layout="NHWC"),
        F.avg_pool2d_input_grad(grad, (2, 4, 5, 3), (4, 5), layout="NHWC"),
        F.max_pool2d_input_grad(grad, indices, (2, 4, 5, 3), (4, 5), layout="NHWC"),
        F.adaptive_avg_pool2d(grad, (4, 5), layout="NHWC"),
        F.adaptive_max_pool2d(grad, (4, 5), layout="NHWC"),
    ):
        assert dx.shape == (2, 4, 5, 3)
        assert dx.flags.c_contiguous


# --- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_batch_axis_may_be_absent(axes, channels_last):
    layout = f"N{'DHW'[3 - axes :]}C" if channels_last else f"NC{'DHW'[3 - axes :]}"
    x = distinct((3, 5, 4, 6)[: axes + 1])
    for name, arguments in (
        ("max", (2,)),
        ("avg", (2,)),
        ("adaptive_avg", (2,)),
        ("adaptive_max", (2,)),
        ("global_avg", ()),
        ("global_max", ()),
    ):
        pool = public(name, axes)
        y = pool(x, *arguments, layout=layout)
        np.testing.assert_array_equal(y, pool(x[None], *arguments, layout=layout)[0])
    y, indices = public("max", axes)(x, 2, return_indices=True, layout=layout)
    assert indices.shape == y.shape
    backward = public("max", axes, "_input_grad")
    dx = backward(y, indices, x.shape, 2, layout=layout)
    np.testing.assert_array_equal(dx, backward(y[None], indices[None], (1, *x.shape), 2, layout=layout)[0])
    backward = public("avg", axes, "_input_grad")
    dx = backward(y, x.shape, 2, layout=layout)
    np.testing.assert_array_equal(dx, backward(y[None], (1, *x.shape), 2, layout=layout)[0])


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_signatures_are_those_of_pytorch(axes):
    first = ["x", "kernel_size", "stride", "padding"]
    expected = {
        "max": [*first, "dilation", "ceil_mode", "return_indices"],
        "avg": [*first, "ceil_mode", "count_include_pad", "divisor_override"],
        "adaptive_max": ["x", "output_size", "return_indices"],
        "adaptive_avg": ["x", "output_size"],
    }
    for name, positional in expected.items():
        parameters = inspect.signature(public(name, axes)).parameters.values()
        assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == positional


def test_lists_are_arrays_and_sequences():
    np.testing.assert_array_equal(F.max_pool1d([[1.0, 3.0, 2.0, 5.0]], [2]), [[3, 5]])
    x = distinct((1, 1, 6, 6))
    np.testing.assert_array_equal(F.avg_pool2d(x, np.array([2, 3])), F.avg_pool2d(x, (2, 3), (2, 3)))
    np.testing.assert_array_equal(F.adaptive_avg_pool2d(x, (None, 2)), F.adaptive_avg_pool2d(x, (6, 2)))
    np.testing.assert_array_equal(F.adaptive_max_pool2d(x, None), x)


@pytest.mark.parametrize("name", ["max", "avg"])
def test_padding_as_words_and_pairs(name):
    x = distinct((1, 2, 7, 5))
    pool = public(name, 2)
    assert pool(x, 3, 2, "same").shape == (1, 2, 4, 3)
    np.testing.assert_array_equal(pool(x, 3, 2, "same"), pool(x, 3, 2, 1))
    np.testing.assert_array_equal(pool(x, 2, 1, "same"), pool(x, 2, 1, ((0, 1), (0, 1))))
    np.testing.assert_array_equal(pool(x, 2, 1, "valid"), pool(x, 2, 1))


X = np.zeros((2, 3, 6, 6))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.max_pool2d(X, 2, padding=2), ShapeError, "less than the effective kernel"),
        (lambda: F.avg_pool2d(X, (7, 2)), ShapeError, "must fit into the padded input"),
        (lambda: F.max_pool2d(X[0, 0], 2), ShapeError, r"x must have 4 axes \(NCHW\), or 3 without .* it has 2"),
        (lambda: F.max_pool1d(X, 2), ShapeError, r"x must have 3 axes \(NCW\)"),
        (lambda: F.max_pool2d(X, 0), ShapeError, "kernel_size must be at least 1, but got 0"),
        (lambda: F.max_pool2d(X, 2, stride=0), ShapeError, "stride must be at least 1, but got 0"),
        (lambda: F.max_pool2d(X, 2.5), TypeError, "kernel_size must be an integer"),
        (lambda: F.max_pool2d(X.astype(int), 2), TypeError, "x must be a float16, float32 or float64 array"),
        (lambda: F.max_pool2d(X, 2, layout="NHCW"), ValueError, 'layout must be "NCHW" or "NHWC"'),
        (lambda: F.max_pool2d(X, 2, algorithm="winograd"), UnknownAlgorithmError, '"auto" or one of loops, im2col'),
        (lambda: F.max_pool2d(X, 2, algorithm=None), TypeError, "algorithm must be a name"),
        (lambda: F.max_pool2d(X, 2, ceil_mode=1), TypeError, "ceil_mode must be True or False"),
        (lambda: F.max_pool2d(X, 2, return_indices="yes"), TypeError, "return_indices must be True or False"),
        (lambda: F.avg_pool2d(X, 2, count_include_pad=0), TypeError, "count_include_pad must be True or False"),
        (lambda: F.avg_pool2d(X, 2, divisor_override=0), ShapeError, "divisor_override must not be zero"),
        (lambda: F.avg_pool2d(X, 2, divisor_override=2.5), TypeError, "divisor_override must be an integer"),
        (lambda: F.adaptive_avg_pool2d(X, (2, 2, 2)), ShapeError, r"one per spatial axis \(2\), but got 3"),
        (lambda: F.adaptive_max_pool2d(X, -1), ShapeError, "output_size must be at least 0, but got -1"),
    ],
)
def test_bad_calls_are_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


G = np.zeros((2, 3, 3, 3))
I = np.zeros((2, 3, 3, 3), np.int64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.max_pool2d_input_grad(G, I, (2, 3, 9, 6), 2), ShapeError, r"\(2, 3, 4, 3\).*\(2, 3, 3, 3\)"),
        (lambda: F.avg_pool2d_input_grad(G, (2, 3, 6), 2), ShapeError, "input_size must be a shape with 4 entries"),
        (lambda: F.max_pool2d_input_grad(G, I[0], X.shape, 2), ShapeError, "indices must have the shape of grad"),
        (lambda: F.max_pool2d_input_grad(G, I + 36, X.shape, 2), ShapeError, "a plane of 36 elements.*from 36 to 36"),
        (lambda: F.max_pool2d_input_grad(G, I - 2, X.shape, 2), ShapeError, "from -2 to -2"),
        (lambda: F.max_pool2d_input_grad(G, G, X.shape, 2), TypeError, "indices must be integers.*float64"),
        (lambda: F.adaptive_max_pool2d_input_grad(G, I + 36, X.shape), ShapeError, "a plane of 36 elements"),
        (lambda: F.adaptive_avg_pool2d_input_grad(G, (2, 4, 6, 6)), ShapeError, "grad_output must have the shape"),
        (lambda: F.avg_pool2d_input_grad(G[0, 0], X.shape, 2), ShapeError, "grad_output must have 4 axes"),
    ],
)
def test_bad_gradient_calls_are_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_every_name_is_exported_from_functional():
    from sevenloops.functional import pooling

    assert set(pooling.__all__) <= set(F.__all__)
    for axes in (1, 2, 3):
        for name in ("max", "avg", "adaptive_max", "adaptive_avg"):
            assert {f"{name}_pool{axes}d", f"{name}_pool{axes}d_input_grad"} <= set(F.__all__)
        assert {f"global_avg_pool{axes}d", f"global_max_pool{axes}d"} <= set(F.__all__)
