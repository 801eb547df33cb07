"""Transposed convolution: the input gradient of a convolution, used as a layer of its own."""

from typing import Any

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply, is_grad_enabled
from sevenloops.conv import execute
from sevenloops.conv.problem import Direction, Epilogue
from sevenloops.conv.select import ConvPlan
from sevenloops.functional.call import Form, inputs
from sevenloops.functional.convolution_call import Options, check_bias
from sevenloops.geometry import ConvGeometry
from sevenloops.geometry.arguments import PaddingLike, SizeLike

__all__ = ["CONV_TRANSPOSE", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

# Let K be the convolution (y -> x) whose geometry `ConvGeometry.transposed` returns. The layer computes y = Kᵀx, so
# its passes are those of K with the roles of input and output exchanged: dx = K·dy, and the weight's gradient is
# that of K with dy as its input and x as its output gradient.


def _forward(
    x: Array, weight: Array, bias: Array | None, *, form: Form, plans: dict[Direction, ConvPlan], **_: Any
) -> tuple[Array, tuple[Array, Array]]:
    y = execute.input_grad(form.enter(x), form.weight(weight), plans["input_grad"], bias)
    return form.leave(y), (x, weight)


def _vjp(
    grad: Array,
    saved: tuple[Array, Array],
    needs: tuple[bool, ...],
    *,
    geometry: ConvGeometry,
    form: Form,
    plans: dict[Direction, ConvPlan],
    **_: Any,
) -> tuple[Array | None, Array | None, Array | None]:
    x, weight = saved
    grad_output = form.enter(grad)
    dx = dw = db = None
    if needs[0]:
        dx = form.leave(execute.forward(grad_output, form.weight(weight), Epilogue(), plans["forward"]))
    if needs[1]:
        dw, canonical = form.empty_weight(geometry, grad.dtype)
        execute.weight_grad(form.enter(x), grad_output, plans["weight_grad"], canonical)
    if needs[2]:
        db = execute.bias_grad(grad_output)
    return dx, dw, db


def _keep(saved: tuple[Array, Array], needs: tuple[bool, ...]) -> tuple[Array | None, Array | None]:
    """Each gradient reads the other operand: what has a frozen weight keeps no activation."""
    x, weight = saved
    return x if needs[1] else None, weight if needs[0] else None


#: Attributes: geometry (of the convolution from the result to x), form, options, plans.
CONV_TRANSPOSE = Operation("conv_transpose", _forward, _vjp, _keep)


def _transpose(axes: int, x: Any, weight: Any, bias: Any, layout: str, options: Options, **parameters: Any) -> Any:
    values, (x_array, w_array, b_array) = inputs(x=x, weight=weight, bias=bias)
    form = Form.of(axes, layout, x_array.ndim)
    geometry = ConvGeometry.transposed(
        form.shape(x_array.shape), form.weight(w_array).shape, layout=form.layout, **parameters
    )
    check_bias(b_array, geometry.in_channels)
    plans: dict[Direction, ConvPlan] = {"input_grad": options.plan(form, geometry, "input_grad", x_array)}
    if is_grad_enabled():
        passes: tuple[tuple[Direction, Any], ...] = (("forward", values[0]), ("weight_grad", values[1]))
        for direction, value in passes:
            if isinstance(value, Tensor) and value.requires_grad:
                plans[direction] = options.plan(form, geometry, direction, x_array)
    return apply(CONV_TRANSPOSE, *values, geometry=geometry, form=form, options=options, plans=plans)


def conv_transpose1d(
    x: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
    layout: str = "NCW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Any:
    """Transposed convolution over one axis: each input element spreads the kernel over the output.

    y[n, o, i·s + u·d - p] += weight[c, o, u] · x[n, c, i]  for all c, i, u inside; plus bias[o].

    Parameters
    ----------
    x : ndarray or Tensor, (N, C_in, W)
        The batch axis may be absent. With layout "NWC": (N, W, C_in).
    weight : ndarray or Tensor, (C_in, C_out / groups, kW)
        With layout "NWC": (kW, C_out / groups, C_in).
    bias : ndarray or Tensor, (C_out,), optional
    stride, dilation : int or sequence of 1, default 1
    padding : int or sequence of 1 ints or pairs (before, after), default 0
        Positions cut off the result on each side.
    output_padding : int or sequence of 1, default 0
        Positions added at the end of the result; less than the stride or the dilation.
    groups : int, default 1
    layout, algorithm, max_workspace
        As in `conv1d`; the algorithm's input gradient runs.

    Returns
    -------
    ndarray or Tensor, (N, C_out, Wo)
        Each axis has (in - 1)·stride + dilation·(kernel - 1) + 1 - before - after + output_padding positions.
        The memory is channels-last if that of x is; if not, it may be either, as suits the algorithm.

    Raises
    ------
    ShapeError
        If shapes or parameters contradict each other, or the result would be empty.
    TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv1d`.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.conv_transpose1d(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]]), stride=2)
    array([[[ 1., 10.,  2., 20.]]])
    """
    return _transpose(
        1,
        x,
        weight,
        bias,
        layout,
        Options.of(algorithm, max_workspace),
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        dilation=dilation,
    )


def conv_transpose2d(
    x: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
    layout: str = "NCHW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Any:
    """Transposed convolution over two axes: each input element spreads the kernel over the output.

    y[n, o, i·s + u·d - p, j·s + v·d - p] += weight[c, o, u, v] · x[n, c, i, j]  for c, i, j, u, v inside; + bias[o].

    Parameters
    ----------
    x : ndarray or Tensor, (N, C_in, H, W)
        The batch axis may be absent. With layout "NHWC": (N, H, W, C_in).
    weight : ndarray or Tensor, (C_in, C_out / groups, kH, kW)
        With layout "NHWC": (kH, kW, C_out / groups, C_in).
    bias : ndarray or Tensor, (C_out,), optional
    stride, dilation : int or sequence of 2, default 1
    padding : int or sequence of 2 ints or pairs (before, after), default 0
        Positions cut off the result on each side.
    output_padding : int or sequence of 2, default 0
        Positions added at the end of the result; less than the stride or the dilation.
    groups : int, default 1
    layout, algorithm, max_workspace
        As in `conv2d`; the algorithm's input gradient runs.

    Returns
    -------
    ndarray or Tensor, (N, C_out, Ho, Wo)
        Each axis has (in - 1)·stride + dilation·(kernel - 1) + 1 - before - after + output_padding positions.
        The memory is channels-last if that of x is; if not, it may be either, as suits the algorithm.

    Raises
    ------
    ShapeError
        If shapes or parameters contradict each other, or the result would be empty.
    TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv2d`.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([[[[1.0, 2.0]]]])
    >>> sl.conv_transpose2d(x, np.ones((1, 1, 2, 2)), stride=1)
    array([[[[1., 3., 2.],
             [1., 3., 2.]]]])
    """
    return _transpose(
        2,
        x,
        weight,
        bias,
        layout,
        Options.of(algorithm, max_workspace),
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        dilation=dilation,
    )


def conv_transpose3d(
    x: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
    layout: str = "NCDHW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Any:
    """Transposed convolution over three axes: each input element spreads the kernel over the output.

    y[n, o, (i, j, k)·s + u·d - p] += weight[c, o, u] · x[n, c, i, j, k]  for all c, positions, taps u; + bias[o].

    Parameters
    ----------
    x : ndarray or Tensor, (N, C_in, D, H, W)
        The batch axis may be absent. With layout "NDHWC": (N, D, H, W, C_in).
    weight : ndarray or Tensor, (C_in, C_out / groups, kD, kH, kW)
        With layout "NDHWC": (kD, kH, kW, C_out / groups, C_in).
    bias : ndarray or Tensor, (C_out,), optional
    stride, dilation : int or sequence of 3, default 1
    padding : int or sequence of 3 ints or pairs (before, after), default 0
        Positions cut off the result on each side.
    output_padding : int or sequence of 3, default 0
        Positions added at the end of the result; less than the stride or the dilation.
    groups : int, default 1
    layout, algorithm, max_workspace
        As in `conv3d`; the algorithm's input gradient runs.

    Returns
    -------
    ndarray or Tensor, (N, C_out, Do, Ho, Wo)
        Each axis has (in - 1)·stride + dilation·(kernel - 1) + 1 - before - after + output_padding positions.
        The memory is channels-last if that of x is; if not, it may be either, as suits the algorithm.

    Raises
    ------
    ShapeError
        If shapes or parameters contradict each other, or the result would be empty.
    TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv3d`.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.ones((1, 2, 2, 2, 2), np.float32)
    >>> sl.conv_transpose3d(x, np.ones((2, 3, 2, 2, 2), np.float32), stride=2, output_padding=1).shape
    (1, 3, 5, 5, 5)
    """
    return _transpose(
        3,
        x,
        weight,
        bias,
        layout,
        Options.of(algorithm, max_workspace),
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        dilation=dilation,
    )
