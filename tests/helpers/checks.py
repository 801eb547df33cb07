"""What it means for a convolution to be right: a case is run by the public functions and compared with the oracle."""

from typing import NamedTuple

import numpy as np

import sevenloops as sl
from sevenloops import backends
from sevenloops.conv.tolerance import tolerance
from tests.helpers import oracle
from tests.helpers.cases import snapshot

__all__ = [
    "ALGORITHMS",
    "DIRECTIONS",
    "MAY_REFUSE",
    "TRANSFORMS",
    "assert_close",
    "assert_right",
    "compute",
    "expect",
    "judge",
    "must_accept",
    "refused",
]

DIRECTIONS = ("forward", "input_grad", "weight_grad")

#: The only algorithms that may refuse a geometry.
MAY_REFUSE = ("winograd", "fft", "direct")

#: Those that there is a backend for: machine code needs an extra.
ALGORITHMS = tuple(name for name in sl.algorithms() if name != "direct" or "jit" in backends.usable())

#: Those that compute elements together, so that a small one has the error of a large one.
TRANSFORMS = ("winograd", "fft", "auto")


def must_accept(case, algorithm):
    """Whether a refusal of the case would be an error."""
    if algorithm == "direct":
        return "direct" in ALGORITHMS and case.axes < 3
    return algorithm not in MAY_REFUSE


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
        if must_accept(case, algorithm):
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
    return judge(function, *operands, **parameters)


def judge(function, *operands, **parameters):
    """Return what a function of the oracle says, and the magnitude of the terms of each element."""
    return function(*operands, **parameters), _Magnitude.of(function, *operands, **parameters)


class _Magnitude(NamedTuple):
    """What rounding errors are relative to: of direct sums, and where transforms compute elements together."""

    each: np.ndarray
    together: float

    @classmethod
    def of(cls, function, *operands, **parameters):
        absolute = [np.abs(a) if isinstance(a, np.ndarray) else a for a in operands]
        each = function(*absolute, **parameters)
        one_term = absolute[0].max(initial=0) * absolute[1].max(initial=0)  # in a transform, if in no sum
        return cls(each, max(each.max(initial=0), one_term))


def assert_close(result, expected, magnitude, algorithm, dtype):
    """Compare each element with the tolerance of the algorithm; float16 is computed in float32 and rounded."""
    assert result.shape == expected.shape
    if not result.size:
        return
    computed = "float32" if dtype == "float16" else dtype
    allowed = tolerance("winograd" if algorithm == "auto" else algorithm, computed) * (
        np.full(expected.shape, magnitude.together) if algorithm in TRANSFORMS else magnitude.each
    )
    if dtype == "float16":
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
