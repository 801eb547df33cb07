"""What the public pooling functions share: arguments checked, layout and missing batch axis undone, gradients."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from sevenloops.arrays import Array, float_array
from sevenloops.autograd import Operation, Tensor, apply, is_grad_enabled
from sevenloops.errors import ShapeError
from sevenloops.functional.call import Form, inputs
from sevenloops.geometry import AdaptiveGeometry, PoolGeometry
from sevenloops.geometry.arguments import flag, integer, shape_tuple
from sevenloops.pooling import execute, registry

__all__ = [
    "ADAPTIVE_AVG_POOL",
    "ADAPTIVE_MAX_POOL",
    "AVG_POOL",
    "MAX_POOL",
    "OutputSize",
    "adaptive_avg_grad",
    "adaptive_avg_pool",
    "adaptive_max_grad",
    "adaptive_max_pool",
    "avg_grad",
    "avg_pool",
    "max_grad",
    "max_pool",
    "pooling_algorithms",
]

OutputSize: TypeAlias = int | Sequence[int | None] | None


def pooling_algorithms() -> tuple[str, ...]:
    """Return the names of all pooling algorithms, in the order of their ladder.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.pooling_algorithms()
    ('loops', 'im2col', 'windows', 'slices')
    """
    return registry.names()


# --- operations -----------------------------------------------------------------------------------------------------


def _max_forward(
    x: Array,
    *,
    geometry: execute.Geometry,
    form: Form,
    algorithm: str,
    return_indices: bool,
    keep_indices: bool,
) -> tuple[Any, Any]:
    entered = form.enter(x)
    last = form.has_channels_last(entered)
    wanted = return_indices or keep_indices
    y, indices = execute.max_forward(entered, geometry, algorithm, wanted, last, small=not return_indices)
    if indices is None or not return_indices:
        return form.leave(y), (indices, last)
    return (form.leave(y), form.leave(indices)), (indices, last)


def _max_keep(saved: tuple[Array, bool], needs: tuple[bool, ...]) -> tuple[Array, bool]:
    """Keep a copy, since whoever is given the indices may write to them, and in 2 bytes each where that is enough."""
    indices, last = saved
    if indices.dtype != np.int64:  # which nobody else has
        return saved
    return indices.astype(np.min_scalar_type(-1 - int(indices.max(initial=0)))), last


def _max_vjp(
    grad: Array,
    saved: tuple[Array, bool],
    needs: tuple[bool, ...],
    *,
    geometry: execute.Geometry,
    form: Form,
    algorithm: str,
    **_: Any,
) -> tuple[Array]:
    indices, last = saved
    return (form.leave(execute.max_input_grad(form.enter(grad), indices, geometry, algorithm, last)),)


def _avg_forward(
    x: Array,
    *,
    geometry: execute.Geometry,
    form: Form,
    algorithm: str,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[Array, bool]:
    entered = form.enter(x)
    last = form.has_channels_last(entered)
    y = execute.avg_forward(entered, geometry, algorithm, count_include_pad, divisor_override, last)
    return form.leave(y), last


def _avg_vjp(
    grad: Array,
    saved: bool,
    needs: tuple[bool, ...],
    *,
    geometry: execute.Geometry,
    form: Form,
    algorithm: str,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[Array]:
    dx = execute.avg_input_grad(
        form.enter(grad), geometry, algorithm, count_include_pad, divisor_override, channels_last=saved
    )
    return (form.leave(dx),)


#: Attributes: geometry, form, algorithm, return_indices, keep_indices (whether a gradient may be asked for).
MAX_POOL = Operation("max_pool", _max_forward, _max_vjp, _max_keep)
ADAPTIVE_MAX_POOL = Operation("adaptive_max_pool", _max_forward, _max_vjp, _max_keep)

#: Attributes: geometry, form, algorithm; and for AVG_POOL count_include_pad, divisor_override.
AVG_POOL = Operation("avg_pool", _avg_forward, _avg_vjp)
ADAPTIVE_AVG_POOL = Operation("adaptive_avg_pool", _avg_forward, _avg_vjp)


# --- forward --------------------------------------------------------------------------------------------------------


def max_pool(
    axes: int, x: Any, kernel_size: Any, return_indices: Any, layout: str, algorithm: str, **window: Any
) -> Any:
    """Pool over `axes` spatial axes by maximum."""
    value, array, form = _entered(axes, x, layout)
    geometry = PoolGeometry.forward(form.shape(array.shape), kernel_size, **window)
    return _max(MAX_POOL, value, geometry, form, registry.resolve(algorithm), return_indices)


def adaptive_max_pool(axes: int, x: Any, output_size: Any, return_indices: Any, layout: str) -> Any:
    """Pool by maximum over windows of which there are `output_size`."""
    value, array, form = _entered(axes, x, layout)
    geometry = AdaptiveGeometry.forward(form.shape(array.shape), output_size)
    return _max(ADAPTIVE_MAX_POOL, value, geometry, form, registry.AUTO, return_indices)


def _max(
    operation: Operation, value: Any, geometry: execute.Geometry, form: Form, algorithm: str, return_indices: Any
) -> Any:
    return apply(
        operation,
        value,
        geometry=geometry,
        form=form,
        algorithm=algorithm,
        return_indices=flag("return_indices", return_indices),
        keep_indices=isinstance(value, Tensor) and value.requires_grad and is_grad_enabled(),
    )


def avg_pool(
    axes: int,
    x: Any,
    kernel_size: Any,
    count_include_pad: Any,
    divisor_override: Any,
    layout: str,
    algorithm: str,
    **window: Any,
) -> Any:
    """Pool over `axes` spatial axes by average."""
    value, array, form = _entered(axes, x, layout)
    return apply(
        AVG_POOL,
        value,
        geometry=PoolGeometry.forward(form.shape(array.shape), kernel_size, **window),
        form=form,
        algorithm=registry.resolve(algorithm),
        count_include_pad=flag("count_include_pad", count_include_pad),
        divisor_override=_override(divisor_override),
    )


def adaptive_avg_pool(axes: int, x: Any, output_size: Any, layout: str) -> Any:
    """Pool by average over windows of which there are `output_size`."""
    value, array, form = _entered(axes, x, layout)
    geometry = AdaptiveGeometry.forward(form.shape(array.shape), output_size)
    return apply(ADAPTIVE_AVG_POOL, value, geometry=geometry, form=form, algorithm=registry.AUTO)


def _entered(axes: int, x: Any, layout: str) -> tuple[Any, Array, Form]:
    """Return x as a Tensor or an array, its array, and how it is written."""
    (value,), (array,) = inputs(x=x)
    return value, array, Form.of(axes, layout, array.ndim)


def _override(value: Any) -> int | None:
    if value is None:
        return None
    number = integer("divisor_override", value, -(2**53))
    if number == 0:
        raise ShapeError("divisor_override must not be zero, but got 0; None divides by the size of the window.")
    return number


# --- gradients ------------------------------------------------------------------------------------------------------


def max_grad(
    axes: int,
    grad_output: Any,
    indices: Any,
    input_size: Any,
    kernel_size: Any,
    layout: str,
    algorithm: str,
    **window: Any,
) -> Array:
    """Return the gradient of `max_pool`'s input."""
    grad, form, x_shape = _entered_grad(axes, grad_output, input_size, layout)
    geometry = PoolGeometry.from_input_grad(form.shape(grad.shape), x_shape, kernel_size, **window)
    return _max_grad(grad, indices, geometry, form, registry.resolve(algorithm))


def adaptive_max_grad(axes: int, grad_output: Any, indices: Any, input_size: Any, layout: str) -> Array:
    """Return the gradient of `adaptive_max_pool`'s input."""
    grad, form, x_shape = _entered_grad(axes, grad_output, input_size, layout)
    geometry = AdaptiveGeometry.from_input_grad(form.shape(grad.shape), x_shape)
    return _max_grad(grad, indices, geometry, form, registry.AUTO)


def _max_grad(grad: Array, indices: Any, geometry: execute.Geometry, form: Form, algorithm: str) -> Array:
    places = form.enter(_checked_indices(indices, grad.shape, geometry))
    entered = form.enter(grad)
    return form.leave(execute.max_input_grad(entered, places, geometry, algorithm, form.has_channels_last(entered)))


def avg_grad(
    axes: int,
    grad_output: Any,
    input_size: Any,
    kernel_size: Any,
    count_include_pad: Any,
    divisor_override: Any,
    layout: str,
    algorithm: str,
    **window: Any,
) -> Array:
    """Return the gradient of `avg_pool`'s input."""
    grad, form, x_shape = _entered_grad(axes, grad_output, input_size, layout)
    geometry = PoolGeometry.from_input_grad(form.shape(grad.shape), x_shape, kernel_size, **window)
    counted = flag("count_include_pad", count_include_pad)
    return _avg_grad(grad, geometry, form, registry.resolve(algorithm), counted, _override(divisor_override))


def adaptive_avg_grad(axes: int, grad_output: Any, input_size: Any, layout: str) -> Array:
    """Return the gradient of `adaptive_avg_pool`'s input."""
    grad, form, x_shape = _entered_grad(axes, grad_output, input_size, layout)
    return _avg_grad(grad, AdaptiveGeometry.from_input_grad(form.shape(grad.shape), x_shape), form, registry.AUTO)


def _avg_grad(
    grad: Array,
    geometry: execute.Geometry,
    form: Form,
    algorithm: str,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    entered = form.enter(grad)
    last = form.has_channels_last(entered)
    return form.leave(execute.avg_input_grad(entered, geometry, algorithm, count_include_pad, divisor_override, last))


def _entered_grad(axes: int, grad_output: Any, input_size: Any, layout: str) -> tuple[Array, Form, tuple[int, ...]]:
    """Return the gradient's array, how it is written, and the input's shape, channels first."""
    grad = float_array("grad_output", grad_output)
    form = Form.of(axes, layout, grad.ndim, "grad_output")
    return grad, form, form.shape(shape_tuple("input_size", input_size, grad.ndim))


def _checked_indices(indices: Any, shape: tuple[int, ...], geometry: execute.Geometry) -> Array:
    """Return indices that are safe to write at."""
    array = np.asarray(indices)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"indices must be integers, but their dtype is {array.dtype}; pass those of the forward pass."
        )
    if array.shape != shape:
        raise ShapeError(
            f"indices must have the shape of grad_output, but theirs is {array.shape} and grad_output's {shape}; "
            f"pass those of the same forward pass."
        )
    elements = int(np.prod(geometry.input_size))
    if array.size and not (array.min() >= -1 and array.max() < elements):
        raise ShapeError(
            f"indices must be positions in a plane of {elements} elements (or -1 for none), but they go from "
            f"{array.min()} to {array.max()}; pass those of the same forward pass."
        )
    return array.astype(np.int64, copy=False)
