"""Asking before running: which algorithms there are, and which one a convolution would take, and why."""

from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.conv import registry
from sevenloops.conv.problem import DIRECTIONS, Direction
from sevenloops.conv.select import ConvPlan
from sevenloops.functional.call import Form, inputs
from sevenloops.functional.convolution_call import Options, check_bias
from sevenloops.geometry import ConvGeometry
from sevenloops.geometry.arguments import PaddingLike, SizeLike

__all__ = ["algorithms", "plan_conv1d", "plan_conv2d", "plan_conv3d"]


def algorithms() -> tuple[str, ...]:
    """Return the names of the convolution algorithms, in the order of the ladder.

    Examples
    --------
    >>> import sevenloops as sl
    >>> sl.algorithms()[0]
    'loops'
    """
    return registry.names()


def _plan(
    axes: int, x: Any, weight: Any, bias: Any, direction: Any, layout: str, options: Options, **parameters: Any
) -> ConvPlan:
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}, but got {direction!r}.")
    _, (x_array, w_array, b_array) = inputs(x=x, weight=weight, bias=bias)
    form = Form.of(axes, layout, x_array.ndim)
    geometry = ConvGeometry.forward(
        form.shape(x_array.shape), form.weight(w_array).shape, layout=form.layout, **parameters
    )
    check_bias(b_array, geometry.out_channels)
    return options.plan(form, geometry, direction, x_array)


def plan_conv1d(
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
    direction: Direction = "forward",
) -> ConvPlan:
    """Return the plan of a `conv1d` call, or of one of its gradients, without running it.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in `conv1d`.
    direction : {"forward", "input_grad", "weight_grad"}
        Which of the three passes.

    Returns
    -------
    ConvPlan
        ``plan.algorithm`` is the name; ``str(plan)`` a table of every candidate's predicted time, operations, bytes
        moved and workspace, and why it is chosen or not.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv1d`.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> plan = sl.plan_conv1d(np.ones((1, 3, 9)), np.ones((4, 3, 3)), algorithm="im2col")
    >>> plan.algorithm
    'im2col'
    """
    options = Options.of(algorithm, max_workspace)
    return _plan(
        1,
        x,
        weight,
        bias,
        direction,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def plan_conv2d(
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
    direction: Direction = "forward",
) -> ConvPlan:
    """Return the plan of a `conv2d` call, or of one of its gradients, without running it.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in `conv2d`.
    direction : {"forward", "input_grad", "weight_grad"}
        Which of the three passes.

    Returns
    -------
    ConvPlan
        ``plan.algorithm`` is the name; ``str(plan)`` a table of every candidate's predicted time, operations, bytes
        moved and workspace, and why it is chosen or not.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> plan = sl.plan_conv2d(np.ones((1, 3, 9, 9)), np.ones((4, 3, 3, 3)), algorithm="im2col")
    >>> plan.algorithm
    'im2col'
    """
    options = Options.of(algorithm, max_workspace)
    return _plan(
        2,
        x,
        weight,
        bias,
        direction,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def plan_conv3d(
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
    direction: Direction = "forward",
) -> ConvPlan:
    """Return the plan of a `conv3d` call, or of one of its gradients, without running it.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups, layout, algorithm, max_workspace
        As in `conv3d`.
    direction : {"forward", "input_grad", "weight_grad"}
        Which of the three passes.

    Returns
    -------
    ConvPlan
        ``plan.algorithm`` is the name; ``str(plan)`` a table of every candidate's predicted time, operations, bytes
        moved and workspace, and why it is chosen or not.

    Raises
    ------
    ShapeError, TypeError, UnknownAlgorithmError, UnsupportedGeometryError
        As `conv3d`.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> plan = sl.plan_conv3d(np.ones((1, 3, 9, 9, 9)), np.ones((4, 3, 3, 3, 3)), algorithm="im2col")
    >>> plan.algorithm
    'im2col'
    """
    options = Options.of(algorithm, max_workspace)
    return _plan(
        3,
        x,
        weight,
        bias,
        direction,
        layout,
        options,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
