"""What it means for a convolution to be right: a case is run by the public functions and compared with the oracle."""

import numpy as np

import sevenloops as sl
from tests.helpers import oracle
from tests.helpers.cases import snapshot

__all__ = ["DIRECTIONS", "MAY_REFUSE", "assert_close", "assert_right", "compute", "expect", "refused"]

DIRECTIONS = ("forward", "input_grad", "weight_grad")

#: The only algorithms that may refuse a geometry.
MAY_REFUSE = ("winograd", "fft")

#: Allowed error of an element, relative to the sum of its terms' magnitudes; float16 computes in float32.
_SUMMED = {"float16": 1e-5, "float32": 1e-5, "float64": 1e-13}
#: The same where elements are computed together, so that each inherits the error of the largest.
_TRANSFORMED = {"float16": 3e-5, "float32": 3e-5, "float64": 1e-12}


def refused(case, direction, algorithm, dtype):
    """Whether the algorithm refuses the case; that is an error of those that may not."""
    x, weight, _, _ = case.arrays(dtype)
    try:
        plan = getattr(sl, f"plan_conv{case.axes}d")
        plan(
            to_layout(x, case),
            weight_to_layout(weight, case),
            direction=direction,
            layout=case.layout,
            algorithm=algorithm,
            **case.parameters,
        )
    except sl.errors.UnsupportedGeometryError:
        if algorithm not in MAY_REFUSE:
            raise
        return True
    return False


def compute(case, direction, algorithm, arrays, **options):
    """Run one pass through the public function of the case's dimension and layout; channels first in and out."""
    x, weight, bias, grad = arrays
    options = {"layout": case.layout, "algorithm": algorithm, **case.parameters, **options}
    name = f"conv{case.axes}d"
    if direction == "forward":
        y = getattr(sl, name)(to_layout(x, case), weight_to_layout(weight, case), bias, **options)
        return from_layout(y, case)
    if direction == "input_grad":
        size = to_layout(x, case).shape
        function = getattr(sl, f"{name}_input_grad")
        return from_layout(function(to_layout(grad, case), weight_to_layout(weight, case), size, **options), case)
    function = getattr(sl, f"{name}_weight_grad")
    dw = function(to_layout(grad, case), to_layout(x, case), case.kernel, **options)
    return weight_from_layout(dw, case)


def expect(case, direction, arrays):
    """Return what the definition says, and the magnitude of the terms of each element."""
    x, weight, bias, grad = (None if a is None else a.astype(np.float64) for a in arrays)
    if direction == "forward":
        function, operands = oracle.forward, (x, weight, bias)
        parameters = case.parameters
    elif direction == "input_grad":
        function, operands = oracle.input_grad, (grad, weight)
        parameters = {"input_size": case.size, **case.parameters}
    else:
        function, operands = oracle.weight_grad, (grad, x)
        parameters = {"kernel_size": case.kernel, **case.parameters}
    return function(*operands, **parameters), oracle.magnitude(function, *operands, **parameters)


def assert_close(result, expected, magnitude, algorithm, dtype):
    """Compare each element, allowing for the rounding of its terms and of the result."""
    assert result.shape == expected.shape
    if not result.size:
        return
    dtype = np.dtype(dtype)
    if algorithm in MAY_REFUSE:
        allowed = np.full(expected.shape, _TRANSFORMED[dtype.name] * magnitude.max())
    else:
        allowed = _SUMMED[dtype.name] * magnitude
    if dtype == np.float16:
        allowed = allowed + np.spacing(np.abs(expected).astype(np.float16)).astype(np.float64)
    error = np.abs(result.astype(np.float64) - expected)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error - allowed)), error.shape)
    assert np.all(error <= allowed), (
        f"element {tuple(map(int, worst))} is {result[worst]}, but should be {expected[worst]} ± {allowed[worst]}"
    )


def assert_right(case, direction, algorithm, dtype):
    """Run a case and check the result's values, dtype and shape, and that no input has changed."""
    arrays = case.arrays(dtype)
    before = snapshot(*arrays)
    result = compute(case, direction, algorithm, arrays)
    assert snapshot(*arrays) == before, "an input has been changed"
    assert type(result) is np.ndarray
    assert result.dtype == dtype
    assert result.dtype.isnative
    expected, magnitude = expect(case, direction, arrays)
    assert_close(result, expected, magnitude, algorithm, dtype)


# --- layouts, written out again: axes move, nothing else ----------------------------------------------------------


def to_layout(array, case):
    return np.moveaxis(array, 1, -1) if case.channels_last else array


def from_layout(array, case):
    return np.moveaxis(array, -1, 1) if case.channels_last else array


def weight_to_layout(weight, case):
    """(out, in, *kernel) to (*kernel, in, out)."""
    return np.moveaxis(weight, (1, 0), (-2, -1)) if case.channels_last else weight


def weight_from_layout(weight, case):
    return np.moveaxis(weight, (-1, -2), (0, 1)) if case.channels_last else weight
