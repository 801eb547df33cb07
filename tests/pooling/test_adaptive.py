import numpy as np
import pytest
from hypothesis import given

from sevenloops.geometry import AdaptiveGeometry
from sevenloops.pooling import execute, registry
from tests.helpers import pooling as oracle
from tests.helpers.cases import snapshot
from tests.helpers.pooling import adaptive_cases

AUTO = registry.AUTO


def geometry_of(case):
    return AdaptiveGeometry.forward(case.x_shape, case.output_size)


def native(array):
    return np.require(array.astype(array.dtype.newbyteorder("="), copy=False), requirements="A")


@given(case=adaptive_cases())
def test_maximum(case):
    for x in (native(case.x()), native(case.awkward_x())):
        before = snapshot(x)
        values, indices = oracle.maximum(x, case.windows)
        y, none = execute.max_forward(x, geometry_of(case), AUTO, False, case.channels_last)
        assert none is None
        np.testing.assert_array_equal(y, values)
        y, places = execute.max_forward(x, geometry_of(case), AUTO, True, case.channels_last)
        np.testing.assert_array_equal(y, values)
        np.testing.assert_array_equal(places, indices)
        assert snapshot(x) == before


@given(case=adaptive_cases())
def test_gradient_of_the_maximum(case):
    _, indices = oracle.maximum(case.x(), case.windows)
    grad = native(case.grad())
    dx = execute.max_input_grad(grad, indices, geometry_of(case), AUTO, case.channels_last)
    np.testing.assert_allclose(dx, oracle.maximum_grad(grad, indices, case.x_shape), rtol=1e-13)


@given(case=adaptive_cases())
def test_average(case):
    x = native(case.x())
    y = execute.avg_forward(x, geometry_of(case), AUTO, True, None, case.channels_last)
    np.testing.assert_allclose(y, oracle.average(x, case.windows), rtol=1e-13)


@given(case=adaptive_cases())
def test_gradient_of_the_average(case):
    grad = native(case.grad())
    before = snapshot(grad)
    dx = execute.avg_input_grad(grad, geometry_of(case), AUTO, True, None, case.channels_last)
    np.testing.assert_allclose(dx, oracle.average_grad(grad, case.windows, case.x_shape), rtol=1e-12, atol=1e-13)
    assert snapshot(grad) == before


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("output_size", [1, 2, 3])
def test_narrower_dtypes(dtype, output_size):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(dtype)
    geometry = AdaptiveGeometry.forward(x.shape, output_size)
    exact = AdaptiveGeometry.forward(x.shape, output_size)
    y = execute.avg_forward(x, geometry, AUTO, True, None, False)
    wide = execute.avg_forward(x.astype(np.float64), exact, AUTO, True, None, False)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, wide, atol=2 * np.finfo(dtype).eps)
    maxima, indices = execute.max_forward(x, geometry, AUTO, True, False)
    assert maxima.dtype == dtype
    np.testing.assert_array_equal(
        np.take_along_axis(x.reshape(2, 3, -1), indices.reshape(2, 3, -1), 2).ravel(), maxima.ravel()
    )
    assert execute.avg_input_grad(y, geometry, AUTO, True, None, False).dtype == dtype
    assert execute.max_input_grad(y, indices, geometry, AUTO, False).dtype == dtype


@pytest.mark.parametrize("output_size", [1, 2, 3])  # global, windows of one size, and of two
def test_the_elements_of_other_windows_do_not_leak_in(output_size):
    x = np.ones((1, 1, 4))
    x[..., -1] = np.nan
    y = execute.avg_forward(x, AdaptiveGeometry.forward(x.shape, output_size), AUTO, True, None, False)
    np.testing.assert_array_equal(y[0, 0], [1.0] * (output_size - 1) + [np.nan])


def test_no_windows_at_all():
    geometry = AdaptiveGeometry.forward((2, 3, 4, 5), (2, 0))
    y, indices = execute.max_forward(np.ones((2, 3, 4, 5)), geometry, AUTO, True, False)
    assert y.shape == indices.shape == (2, 3, 2, 0)
    assert execute.avg_forward(np.ones((2, 3, 4, 5)), geometry, AUTO, True, None, False).shape == (2, 3, 2, 0)
    np.testing.assert_array_equal(execute.max_input_grad(y, indices, geometry, AUTO, False), np.zeros((2, 3, 4, 5)))
    np.testing.assert_array_equal(
        execute.avg_input_grad(y, geometry, AUTO, True, None, False), np.zeros((2, 3, 4, 5))
    )
