"""The two gradients of a convolution on plain arrays, for those who write their own backward pass."""

from typing import Any

from sevenloops.arrays import Array, ArrayLike, float_arrays
from sevenloops.conv import execute
from sevenloops.errors import ShapeError
from sevenloops.functional.call import Form, check_given
from sevenloops.functional.convolution_call import Options
from sevenloops.functional.repeated import Repeated
from sevenloops.geometry import ConvGeometry
from sevenloops.geometry.arguments import PaddingLike, SizeLike, shape_tuple

__all__ = [
    "conv1d_input_grad",
    "conv1d_weight_grad",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "conv3d_input_grad",
    "conv3d_weight_grad",
]


_input_grads, _weight_grads = Repeated(), Repeated()


def _input_grad(
    axes: int, grad_output: Any, weight: Any, input_size: Any, layout: str, options: Options, **parameters: Any
) -> Array:
    given = (grad_output, weight)
    key = _input_grads.key(given, (axes, layout, *options.as_key, input_size, *parameters.values()))
    known = _input_grads.get(key)
    if known is None:
        check_given(grad_output=grad_output, weight=weight)
        grad, w = float_arrays(grad_output=grad_output, weight=weight)
        form = Form.of(axes, layout, grad.ndim, "grad_output")
        size = form.shape(shape_tuple("input_size", input_size, grad.ndim))
        geometry = ConvGeometry.from_input_grad(
            form.shape(grad.shape), form.weight(w).shape, size, layout=form.layout, **parameters
        )
        plan = options.plan(form, geometry, "input_grad", grad)
        _input_grads.keep(key, (form, plan), given, [grad, w])
    else:
        form, plan = known
        grad, w = given
    return form.leave(execute.input_grad(form.enter(grad), form.weight(w), plan))


def _weight_grad(
    axes: int, grad_output: Any, x: Any, kernel_size: Any, layout: str, options: Options, **parameters: Any
) -> Array:
    given = (grad_output, x)
    key = _weight_grads.key(given, (axes, layout, *options.as_key, kernel_size, *parameters.values()))
    known = _weight_grads.get(key)
    if known is None:
        check_given(grad_output=grad_output, x=x)
        grad, array = float_arrays(grad_output=grad_output, x=x)
        form = Form.of(axes, layout, array.ndim)
        if grad.ndim != array.ndim:
            raise ShapeError(
                f"grad_output and x must have equally many axes, but they have {grad.ndim} and {array.ndim}."
            )
        geometry = ConvGeometry.from_weight_grad(
            form.shape(grad.shape), form.shape(array.shape), kernel_size, layout=form.layout, **parameters
        )
        # The order of one channel's memory is open; that of the gradient is then the call's.
        plan = options.plan(form, geometry, "weight_grad", array if geometry.in_channels > 1 else grad)
        _weight_grads.keep(key, (form, plan), given, [grad, array])
    else:
        form, plan = known
        grad, array = given
    written, canonical = form.empty_weight(plan.problem.geometry, grad.dtype)
    execute.weight_grad(form.enter(grad), form.enter(array), plan, canonical)
    return written


def conv1d_input_grad(
    grad_output: ArrayLike,
    weight: ArrayLike,
    input_size: tuple[int, ...],
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Array:
    """Return the gradient of the input of `conv1d`.

    dx[n, c, i·s + u·d - p] += weight[o, c, u] · grad_output[n, o, i]  for all o, i, u inside.

    Parameters
    ----------
    grad_output : ndarray, (N, C_out, Wo)
        The gradient of the output.
    weight : ndarray, (C_out, C_in / groups, kW)
        As in the forward pass; with layout "NWC" (kW, C_in / groups, C_out).
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C_in, W)
        The dtype of grad_output. Its memory is channels-last if that of grad_output is; if not, it may be either.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv1d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> g = np.ones((1, 1, 3))
    >>> sl.conv1d_input_grad(g, np.ones((1, 1, 2)), (1, 1, 4)).ravel()[:3]
    array([1., 2., 2.])
    """
    options = Options.of(algorithm, max_workspace)
    return _input_grad(
        1,
        grad_output,
        weight,
        input_size,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def conv2d_input_grad(
    grad_output: ArrayLike,
    weight: ArrayLike,
    input_size: tuple[int, ...],
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCHW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Array:
    """Return the gradient of the input of `conv2d`.

    dx[n, c, i·s + u·d - p, j·s + v·d - p] += weight[o, c, u, v] · grad_output[n, o, i, j]  for o, i, j, u, v inside.

    Parameters
    ----------
    grad_output : ndarray, (N, C_out, Ho, Wo)
        The gradient of the output.
    weight : ndarray, (C_out, C_in / groups, kH, kW)
        As in the forward pass; with layout "NHWC" (kH, kW, C_in / groups, C_out).
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C_in, H, W)
        The dtype of grad_output. Its memory is channels-last if that of grad_output is; if not, it may be either.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv2d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> g = np.ones((1, 1, 3, 3))
    >>> sl.conv2d_input_grad(g, np.ones((1, 1, 2, 2)), (1, 1, 4, 4)).ravel()[:3]
    array([1., 2., 2.])
    """
    options = Options.of(algorithm, max_workspace)
    return _input_grad(
        2,
        grad_output,
        weight,
        input_size,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def conv3d_input_grad(
    grad_output: ArrayLike,
    weight: ArrayLike,
    input_size: tuple[int, ...],
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Array:
    """Return the gradient of the input of `conv3d`.

    dx[n, c, i·s + u·d - p] += weight[o, c, u] · grad_output[n, o, i]  for all o, positions i and taps u inside.

    Parameters
    ----------
    grad_output : ndarray, (N, C_out, Do, Ho, Wo)
        The gradient of the output.
    weight : ndarray, (C_out, C_in / groups, kD, kH, kW)
        As in the forward pass; with layout "NDHWC" (kD, kH, kW, C_in / groups, C_out).
    input_size : tuple of int
        ``x.shape``, in the order of the layout.
    stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in the forward pass.

    Returns
    -------
    ndarray, (N, C_in, D, H, W)
        The dtype of grad_output. Its memory is channels-last if that of grad_output is; if not, it may be either.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv3d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> g = np.ones((1, 1, 3, 3, 3))
    >>> sl.conv3d_input_grad(g, np.ones((1, 1, 2, 2, 2)), (1, 1, 4, 4, 4)).ravel()[:3]
    array([1., 2., 2.])
    """
    options = Options.of(algorithm, max_workspace)
    return _input_grad(
        3,
        grad_output,
        weight,
        input_size,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def conv1d_weight_grad(
    grad_output: ArrayLike,
    x: ArrayLike,
    kernel_size: SizeLike,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Array:
    """Return the gradient of the weight of `conv1d`.

    dw[o, c, u] = Σ_n Σ_i  grad_output[n, o, i] · x[n, c, i·s + u·d - p]

    Parameters
    ----------
    grad_output : ndarray, (N, C_out, Wo)
        The gradient of the output.
    x : ndarray, (N, C_in, W)
        The input of the forward pass; with layout "NWC" (N, W, C_in).
    kernel_size : int or tuple of 1
    stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in the forward pass.

    Returns
    -------
    ndarray, (C_out, C_in / groups, kW)
        In the order of the layout.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv1d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.conv1d_weight_grad(np.ones((1, 1, 3)), np.ones((1, 1, 4)), 2).shape
    (1, 1, 2)
    """
    options = Options.of(algorithm, max_workspace)
    return _weight_grad(
        1,
        grad_output,
        x,
        kernel_size,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def conv2d_weight_grad(
    grad_output: ArrayLike,
    x: ArrayLike,
    kernel_size: SizeLike,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCHW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Array:
    """Return the gradient of the weight of `conv2d`.

    dw[o, c, u, v] = Σ_n Σ_i Σ_j  grad_output[n, o, i, j] · x[n, c, i·s + u·d - p, j·s + v·d - p]

    Parameters
    ----------
    grad_output : ndarray, (N, C_out, Ho, Wo)
        The gradient of the output.
    x : ndarray, (N, C_in, H, W)
        The input of the forward pass; with layout "NHWC" (N, H, W, C_in).
    kernel_size : int or tuple of 2
    stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in the forward pass.

    Returns
    -------
    ndarray, (C_out, C_in / groups, kH, kW)
        In the order of the layout.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv2d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.conv2d_weight_grad(np.ones((1, 1, 3, 3)), np.ones((1, 1, 4, 4)), 2).shape
    (1, 1, 2, 2)
    """
    options = Options.of(algorithm, max_workspace)
    return _weight_grad(
        2,
        grad_output,
        x,
        kernel_size,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def conv3d_weight_grad(
    grad_output: ArrayLike,
    x: ArrayLike,
    kernel_size: SizeLike,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Array:
    """Return the gradient of the weight of `conv3d`.

    dw[o, c, u] = Σ_n Σ_i  grad_output[n, o, i] · x[n, c, i·s + u·d - p]  for positions i and taps u in three axes.

    Parameters
    ----------
    grad_output : ndarray, (N, C_out, Do, Ho, Wo)
        The gradient of the output.
    x : ndarray, (N, C_in, D, H, W)
        The input of the forward pass; with layout "NDHWC" (N, D, H, W, C_in).
    kernel_size : int or tuple of 3
    stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in the forward pass.

    Returns
    -------
    ndarray, (C_out, C_in / groups, kD, kH, kW)
        In the order of the layout.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv3d`, and if grad_output does not have the shape of its output.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.conv3d_weight_grad(np.ones((1, 1, 3, 3, 3)), np.ones((1, 1, 4, 4, 4)), 2).shape
    (1, 1, 2, 2, 2)
    """
    options = Options.of(algorithm, max_workspace)
    return _weight_grad(
        3,
        grad_output,
        x,
        kernel_size,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
