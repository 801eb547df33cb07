"""Convolution over 1, 2 and 3 axes, for arrays and Tensors.

As everywhere in this field, "convolution" means cross-correlation: the kernel is not flipped.
"""

from typing import Any

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Operation, Tensor, apply, is_grad_enabled
from sevenloops.conv import execute
from sevenloops.conv.problem import Direction, Epilogue
from sevenloops.conv.select import ConvPlan
from sevenloops.functional.call import Form, inputs
from sevenloops.functional.convolution_call import Options, check_bias
from sevenloops.functional.repeated import Repeated
from sevenloops.geometry import ConvGeometry
from sevenloops.geometry.arguments import PaddingLike, SizeLike

__all__ = ["CONVOLUTION", "conv1d", "conv2d", "conv3d"]


def _forward(
    x: Array, weight: Array, bias: Array | None, *, form: Form, plans: dict[Direction, ConvPlan], **_: Any
) -> tuple[Array, tuple[Array, Array]]:
    y = execute.forward(form.enter(x), form.weight(weight), Epilogue(bias), plans["forward"])
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
        dx = form.leave(execute.input_grad(grad_output, form.weight(weight), plans["input_grad"]))
    if needs[1]:
        dw, canonical = form.empty_weight(geometry, grad.dtype)
        execute.weight_grad(grad_output, form.enter(x), plans["weight_grad"], canonical)
    if needs[2]:
        db = execute.bias_grad(grad_output)
    return dx, dw, db


def _keep(saved: tuple[Array, Array], needs: tuple[bool, ...]) -> tuple[Array | None, Array | None]:
    """Each gradient reads the other operand: what has a frozen weight keeps no activation."""
    x, weight = saved
    return x if needs[1] else None, weight if needs[0] else None


#: Attributes: geometry, form, options, plans (one for each pass that will run).
CONVOLUTION = Operation("convolution", _forward, _vjp, _keep)


_repeated = Repeated()


def _convolve(axes: int, x: Any, weight: Any, bias: Any, layout: str, options: Options, **parameters: Any) -> Any:
    given = (x, weight, bias)
    key = _repeated.key(given, (axes, layout, *options.as_key, *parameters.values()))
    attributes = _repeated.get(key)
    if attributes is not None:
        return apply(CONVOLUTION, x, weight, bias, **attributes)
    values, (x_array, w_array, b_array) = inputs(x=x, weight=weight, bias=bias)
    form = Form.of(axes, layout, x_array.ndim)
    geometry = ConvGeometry.forward(
        form.shape(x_array.shape), form.weight(w_array).shape, layout=form.layout, **parameters
    )
    check_bias(b_array, geometry.out_channels)
    plans: dict[Direction, ConvPlan] = {"forward": options.plan(form, geometry, "forward", x_array)}
    if is_grad_enabled():  # all passes that will run are checked now, not when the loss is already computed
        passes: tuple[tuple[Direction, Any], ...] = (("input_grad", values[0]), ("weight_grad", values[1]))
        for direction, value in passes:
            if isinstance(value, Tensor) and value.requires_grad:
                plans[direction] = options.plan(form, geometry, direction, x_array)
    attributes = {"geometry": geometry, "form": form, "options": options, "plans": plans}
    _repeated.keep(key, attributes, given, values)
    return apply(CONVOLUTION, *values, **attributes)


def conv1d(
    x: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Any:
    """Convolve over one spatial axis; the kernel is not flipped.

    y[n, o, i] = bias[o] + Σ_c Σ_u  weight[o, c, u] · x[n, c, i·s + u·d - p]

    where x is zero outside its borders, s is the stride, d the dilation and p the padding before.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C_in, W)
        float16, float32 or float64, like weight and bias; the batch axis may be absent. With layout "NWC":
        (N, W, C_in). Any strides: channels-last memory in a "NCW" shape is used as it is.
    weight : ndarray or Tensor, (C_out, C_in / groups, kW)
        With layout "NWC": (kW, C_in / groups, C_out).
    bias : ndarray or Tensor, (C_out,), optional
    stride, dilation : int or sequence of 1, default 1
    padding : int, sequence of 1, "valid" or "same", default 0
        Zeros around the input. Each entry of a sequence is an int or a pair (before, after). With "same" the output
        has ceil(input / stride) positions, an odd pixel of padding at the end.
    groups : int, default 1
        Splits the channels: each group of outputs sees its own C_in / groups inputs.
    layout : {"NCW", "NWC"}
    algorithm : str, default "auto"
        One of `sevenloops.algorithms()`; "auto" takes the one that the cost model predicts to be fastest.
    max_workspace : int, optional
        Bytes that the algorithm may allocate beyond its result.

    Returns
    -------
    ndarray or Tensor, (N, C_out, Wo)
        A Tensor if an argument is one; the dtype of x. Its memory is channels-last if that of x is; if not, it may
        be either, as suits the algorithm.

    Raises
    ------
    ShapeError
        If shapes or parameters contradict each other, or the kernel does not fit into the padded input.
    TypeError
        If the dtypes differ or are not floats, or a parameter is not an integer.
    UnknownAlgorithmError
        If no algorithm has that name.
    UnsupportedGeometryError
        If the algorithm asked for cannot do it, in any pass that a gradient will need.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([[[1.0, 2.0, 4.0, 8.0]]])
    >>> sl.conv1d(x, np.array([[[1.0, -1.0]]]))
    array([[[-1., -2., -4.]]])
    """
    return _convolve(
        1,
        x,
        weight,
        bias,
        layout,
        Options.of(algorithm, max_workspace),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def conv2d(
    x: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCHW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Any:
    """Convolve over two spatial axes; the kernel is not flipped.

    y[n, o, i, j] = bias[o] + Σ_c Σ_u Σ_v  weight[o, c, u, v] · x[n, c, i·s + u·d - p, j·s + v·d - p]

    where x is zero outside its borders, s is the stride, d the dilation and p the padding before.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C_in, H, W)
        float16, float32 or float64, like weight and bias; the batch axis may be absent. With layout "NHWC":
        (N, H, W, C_in). Any strides: channels-last memory in a "NCHW" shape is used as it is.
    weight : ndarray or Tensor, (C_out, C_in / groups, kH, kW)
        With layout "NHWC": (kH, kW, C_in / groups, C_out).
    bias : ndarray or Tensor, (C_out,), optional
    stride, dilation : int or sequence of 2, default 1
    padding : int, sequence of 2, "valid" or "same", default 0
        Zeros around the input. Each entry of a sequence is an int or a pair (before, after). With "same" the output
        has ceil(input / stride) positions, an odd pixel of padding at the end.
    groups : int, default 1
        Splits the channels: each group of outputs sees its own C_in / groups inputs.
    layout : {"NCHW", "NHWC"}
    algorithm : str, default "auto"
        One of `sevenloops.algorithms()`; "auto" takes the one that the cost model predicts to be fastest.
    max_workspace : int, optional
        Bytes that the algorithm may allocate beyond its result.

    Returns
    -------
    ndarray or Tensor, (N, C_out, Ho, Wo)
        A Tensor if an argument is one; the dtype of x. Its memory is channels-last if that of x is; if not, it may
        be either, as suits the algorithm.

    Raises
    ------
    ShapeError
        If shapes or parameters contradict each other, or the kernel does not fit into the padded input.
    TypeError
        If the dtypes differ or are not floats, or a parameter is not an integer.
    UnknownAlgorithmError
        If no algorithm has that name.
    UnsupportedGeometryError
        If the algorithm asked for cannot do it, in any pass that a gradient will need.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> sl.conv2d(x, np.ones((1, 1, 3, 3)), stride=1, padding="valid")
    array([[[[45., 54.],
             [81., 90.]]]])
    >>> sl.conv2d(x, np.ones((1, 1, 3, 3)), stride=2, padding="same").shape
    (1, 1, 2, 2)
    """
    return _convolve(
        2,
        x,
        weight,
        bias,
        layout,
        Options.of(algorithm, max_workspace),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def conv3d(
    x: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    *,
    stride: SizeLike = 1,
    padding: PaddingLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    algorithm: str = "auto",
    max_workspace: int | None = None,
) -> Any:
    """Convolve over three spatial axes; the kernel is not flipped.

    y[n, o, i, j, k] = bias[o] + Σ_c Σ_u  weight[o, c, u] · x[n, c, (i, j, k)·s + u·d - p],  u over kD × kH × kW,

    where x is zero outside its borders, s is the stride, d the dilation and p the padding before.

    Parameters
    ----------
    x : ndarray or Tensor, (N, C_in, D, H, W)
        float16, float32 or float64, like weight and bias; the batch axis may be absent. With layout "NDHWC":
        (N, D, H, W, C_in). Any strides: channels-last memory in a "NCDHW" shape is used as it is.
    weight : ndarray or Tensor, (C_out, C_in / groups, kD, kH, kW)
        With layout "NDHWC": (kD, kH, kW, C_in / groups, C_out).
    bias : ndarray or Tensor, (C_out,), optional
    stride, dilation : int or sequence of 3, default 1
    padding : int, sequence of 3, "valid" or "same", default 0
        Zeros around the input. Each entry of a sequence is an int or a pair (before, after). With "same" the output
        has ceil(input / stride) positions, an odd pixel of padding at the end.
    groups : int, default 1
        Splits the channels: each group of outputs sees its own C_in / groups inputs.
    layout : {"NCDHW", "NDHWC"}
    algorithm : str, default "auto"
        One of `sevenloops.algorithms()`; "auto" takes the one that the cost model predicts to be fastest.
    max_workspace : int, optional
        Bytes that the algorithm may allocate beyond its result.

    Returns
    -------
    ndarray or Tensor, (N, C_out, Do, Ho, Wo)
        A Tensor if an argument is one; the dtype of x. Its memory is channels-last if that of x is; if not, it may
        be either, as suits the algorithm.

    Raises
    ------
    ShapeError
        If shapes or parameters contradict each other, or the kernel does not fit into the padded input.
    TypeError
        If the dtypes differ or are not floats, or a parameter is not an integer.
    UnknownAlgorithmError
        If no algorithm has that name.
    UnsupportedGeometryError
        If the algorithm asked for cannot do it, in any pass that a gradient will need.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.ones((1, 2, 4, 4, 4), np.float32)
    >>> y = sl.conv3d(x, np.ones((3, 2, 2, 2, 2), np.float32), stride=2)
    >>> y.shape, float(y[0, 0, 0, 0, 0])
    ((1, 3, 2, 2, 2), 16.0)
    """
    return _convolve(
        3,
        x,
        weight,
        bias,
        layout,
        Options.of(algorithm, max_workspace),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
