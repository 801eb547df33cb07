"""Every rung of the ladder, in both directions, against plain loops in float64."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from sevenloops import runtime
from sevenloops.arrays import compute_dtype
from sevenloops.geometry import PoolGeometry
from sevenloops.pooling import algorithms, execute, registry, strips
from tests.helpers import pooling as oracle
from tests.helpers.cases import snapshot
from tests.helpers.pooling import pool_cases

assert algorithms  # importing the package fills the ladder
RUNGS = registry.names()
TOLERANCE = {"float64": 1e-13, "float32": 1e-6, "float16": 1e-3}


def geometry_of(case):
    return PoolGeometry.forward(case.x_shape, case.kernel, dilation=case.dilation, **case.parameters)


def native(array):
    """What public functions make of an array before a kernel sees it."""
    return np.require(array.astype(array.dtype.newbyteorder("="), copy=False), requirements="A")


def assert_close(actual, expected, dtype="float64"):
    assert actual.dtype == dtype
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("algorithm", RUNGS)
@given(case=pool_cases())
def test_maximum(algorithm, case):
    x = native(case.x())
    before = snapshot(x)
    values, indices = oracle.maximum(x, case.windows)
    geometry = geometry_of(case)
    y, none = execute.max_forward(x, geometry, algorithm, False, case.channels_last)
    assert none is None
    np.testing.assert_array_equal(y, values)
    y, places = execute.max_forward(x, geometry, algorithm, True, case.channels_last)
    np.testing.assert_array_equal(y, values)
    np.testing.assert_array_equal(places, indices)
    assert places.dtype == np.int64
    assert snapshot(x) == before


@pytest.mark.parametrize("algorithm", RUNGS)
@given(case=pool_cases())
def test_maximum_of_equal_and_infinite_and_nan_elements(algorithm, case):
    x = native(case.awkward_x())
    values, indices = oracle.maximum(x, case.windows)
    geometry = geometry_of(case)
    y, _ = execute.max_forward(x, geometry, algorithm, False, case.channels_last)
    np.testing.assert_array_equal(y, values)
    y, places = execute.max_forward(x, geometry, algorithm, True, case.channels_last)
    np.testing.assert_array_equal(y, values)
    np.testing.assert_array_equal(places, indices)


@pytest.mark.parametrize("algorithm", RUNGS)
@given(case=pool_cases())
def test_gradient_of_the_maximum(algorithm, case):
    x, grad = native(case.x()), native(case.grad())
    _, indices = oracle.maximum(x, case.windows)
    before = snapshot(grad, indices)
    dx = execute.max_input_grad(grad, indices, geometry_of(case), algorithm, case.channels_last)
    assert_close(dx, oracle.maximum_grad(grad, indices, case.x_shape))
    assert snapshot(grad, indices) == before


@pytest.mark.parametrize("algorithm", RUNGS)
@pytest.mark.parametrize(("count_include_pad", "divisor_override"), [(True, None), (False, None), (True, -3)])
@given(case=pool_cases(dilated=False))
def test_average(algorithm, count_include_pad, divisor_override, case):
    x, options = native(case.x()), (count_include_pad, divisor_override)
    before = snapshot(x)
    y = execute.avg_forward(x, geometry_of(case), algorithm, *options, case.channels_last)
    assert_close(y, oracle.average(x, case.windows, *options))
    assert snapshot(x) == before


@pytest.mark.parametrize("algorithm", RUNGS)
@pytest.mark.parametrize(("count_include_pad", "divisor_override"), [(True, None), (False, None), (True, -3)])
@given(case=pool_cases(dilated=False))
def test_gradient_of_the_average(algorithm, count_include_pad, divisor_override, case):
    grad, options = native(case.grad()), (count_include_pad, divisor_override)
    before = snapshot(grad)
    dx = execute.avg_input_grad(grad, geometry_of(case), algorithm, *options, case.channels_last)
    assert_close(dx, oracle.average_grad(grad, case.windows, case.x_shape, *options))
    assert snapshot(grad) == before


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("algorithm", RUNGS)
@given(case=pool_cases(dilated=False))
def test_narrower_dtypes(algorithm, dtype, case):
    x, grad, geometry = native(case.x(dtype)), native(case.grad(dtype)), geometry_of(case)
    values, indices = oracle.maximum(x, case.windows)
    y, _ = execute.max_forward(x, geometry, algorithm, False, False)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, values)
    assert_close(
        execute.max_input_grad(grad, indices, geometry, algorithm, False),
        oracle.maximum_grad(grad, indices, case.x_shape),
        dtype,
    )
    assert_close(
        execute.avg_forward(x, geometry, algorithm, True, None, False), oracle.average(x, case.windows), dtype
    )
    assert_close(
        execute.avg_input_grad(grad, geometry, algorithm, True, None, False),
        oracle.average_grad(grad, case.windows, case.x_shape),
        dtype,
    )
    assert compute_dtype(np.dtype(dtype)) == np.float32


@pytest.mark.parametrize("algorithm", RUNGS)
def test_float16_sums_do_not_overflow(algorithm):
    x = np.full((1, 1, 4, 4), 60000, np.float16)
    geometry = PoolGeometry.forward(x.shape, 4)
    np.testing.assert_array_equal(execute.avg_forward(x, geometry, algorithm, True, None, False), [[[[60000]]]])


@pytest.mark.parametrize("algorithm", RUNGS)
def test_a_window_of_padding_only_is_minus_infinity_without_a_place(algorithm):
    x = np.ones((1, 1, 1, 2))
    geometry = PoolGeometry.forward(x.shape, 2, stride=1, padding=1, dilation=(2, 1))  # rows -1 and 1 of one row, 0
    y, indices = execute.max_forward(x, geometry, algorithm, True, False)
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 3), -np.inf))
    np.testing.assert_array_equal(indices, np.full((1, 1, 1, 3), -1))
    dx = execute.max_input_grad(np.ones_like(y), indices, geometry, algorithm, False)
    np.testing.assert_array_equal(dx, np.zeros_like(x))


@pytest.mark.parametrize("algorithm", RUNGS)
def test_an_infinite_gradient_stays_where_it_belongs(algorithm):
    geometry = PoolGeometry.forward((1, 1, 4), 2)
    grad, indices = np.array([[[np.inf, np.nan]]]), np.array([[[1, 2]]])
    dx = execute.max_input_grad(grad, indices, geometry, algorithm, False)
    np.testing.assert_array_equal(dx, [[[0, np.inf, np.nan, 0]]])


@pytest.mark.parametrize("algorithm", RUNGS)
@pytest.mark.parametrize("kernel", [17, (1, 300)])
def test_windows_of_more_taps_than_a_byte_can_number(algorithm, kernel):
    size = (19, 19) if kernel == 17 else (2, 310)
    x = np.random.default_rng(0).standard_normal((1, 1, *size))
    geometry = PoolGeometry.forward(x.shape, kernel, stride=(1, 5))
    view = np.lib.stride_tricks.sliding_window_view(x[0, 0], geometry.kernel_size)[:, ::5]
    y, indices = execute.max_forward(x, geometry, algorithm, True, False)
    np.testing.assert_array_equal(y[0, 0], view.max((2, 3)))
    np.testing.assert_array_equal(x.reshape(-1)[indices[0, 0]], y[0, 0])


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("algorithm", RUNGS)
def test_results_have_the_memory_order_asked_for(algorithm, channels_last):
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 4))
    geometry = PoolGeometry.forward(x.shape, 2)
    y, indices = execute.max_forward(x, geometry, algorithm, True, channels_last)
    results = [y, indices, execute.avg_forward(x, geometry, algorithm, True, None, channels_last)]
    results.append(execute.max_input_grad(y, indices, geometry, algorithm, channels_last))
    results.append(execute.avg_input_grad(y, geometry, algorithm, True, None, channels_last))
    for result in results:
        assert (np.moveaxis(result, 1, -1) if channels_last else result).flags.c_contiguous


@pytest.fixture(params=["one by one", "on the thread pool"])
def tiny_strips(request):
    """A cache so small that every array is worked on in many parts."""
    before = runtime.CACHE_BYTES, strips.PARALLEL_BYTES
    runtime.CACHE_BYTES = 64
    strips.PARALLEL_BYTES = 0 if request.param == "on the thread pool" else 1 << 40
    yield
    runtime.CACHE_BYTES, strips.PARALLEL_BYTES = before


@pytest.mark.usefixtures("tiny_strips")
@given(case=pool_cases(dilated=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_strips(case):
    geometry, grad = geometry_of(case), native(case.grad())
    for x in (native(case.x()), native(case.awkward_x())):
        values, indices = oracle.maximum(x, case.windows)
        for with_indices in (False, True):
            y, places = execute.max_forward(x, geometry, "slices", with_indices, case.channels_last)
            np.testing.assert_array_equal(y, values)
        np.testing.assert_array_equal(places, indices)
    dx = execute.max_input_grad(grad, indices, geometry, "slices", case.channels_last)
    assert_close(dx, oracle.maximum_grad(grad, indices, case.x_shape))
    y = execute.avg_forward(native(case.x()), geometry, "slices", True, None, case.channels_last)
    assert_close(y, oracle.average(case.x(), case.windows))
    dx = execute.avg_input_grad(grad, geometry, "slices", True, None, case.channels_last)
    assert_close(dx, oracle.average_grad(grad, case.windows, case.x_shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_from_several_threads(dtype):
    x = np.random.default_rng(0).standard_normal((8, 16, 40, 40)).astype(dtype)
    assert x.nbytes > runtime.CACHE_BYTES
    geometry = PoolGeometry.forward(x.shape, 3, stride=2, padding=1)

    def call(_):
        y, indices = execute.max_forward(x, geometry, "slices", True, False)
        dx = execute.max_input_grad(y, indices, geometry, "slices", False)
        means = execute.avg_forward(x, geometry, "slices", True, None, False)
        back = execute.avg_input_grad(means, geometry, "slices", True, None, False)
        return [array.tobytes() for array in (y, indices, dx, means, back)]

    alone = call(None)
    with ThreadPoolExecutor(4) as pool:
        assert all(together == alone for together in pool.map(call, range(8)))
