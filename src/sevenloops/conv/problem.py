"""What a kernel is told: the problem (what decides how to compute) and the epilogue (what follows each block)."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.geometry import ConvGeometry

__all__ = ["DIRECTIONS", "ConvProblem", "Direction", "Epilogue", "like"]

Direction: TypeAlias = Literal["forward", "input_grad", "weight_grad"]

#: The three passes of a convolution.
DIRECTIONS: tuple[Direction, ...] = ("forward", "input_grad", "weight_grad")


@dataclass(frozen=True, slots=True)
class ConvProblem:
    """One convolution pass with everything that an algorithm's support, cost and blocking depend on.

    Attributes
    ----------
    geometry : ConvGeometry
    direction : {"forward", "input_grad", "weight_grad"}
    dtype : numpy.dtype
        The dtype of the computation: float32 or float64.
    channels_last : bool
        Whether the channels of the main input (x; for the input gradient, grad_output) are adjacent in memory.
    threads : int
        How many threads the kernel may use.
    max_workspace : int or None
        Bytes that the kernel may allocate beyond its result; None for no bound.
    backends : tuple of str
        The backends that may be used, the preferred one first.
    exact : bool
        Whether "auto" takes no algorithm that rounds more than the definition's sum.
    prepared : dict
        Where kernels keep what they have worked out for arrays of certain strides. A plan is made once for equal
        problems, so it is worked out once.
    """

    geometry: ConvGeometry
    direction: Direction
    dtype: np.dtype[Any]
    channels_last: bool
    threads: int
    max_workspace: int | None = None
    backends: tuple[str, ...] = ("numpy",)
    exact: bool = False
    prepared: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Epilogue:
    """What follows a forward sum: activation(scale · sum + bias + residual), each part if it is there.

    NumPy's kernels call `apply` once per block of the result, while it is in cache; it does the first two parts, and
    `finish` the others. Machine code does all at once.

    Attributes
    ----------
    bias, scale : ndarray (C_out,) or None
    residual : ndarray of the result's shape, or None
    activation : {"relu", "relu6"} or None
    """

    bias: Array | None = None
    scale: Array | None = None
    residual: Array | None = None
    activation: str | None = None

    def apply(self, block: Array, channel_axis: int, channels: slice = slice(None)) -> None:
        """Scale a block of the result in place and add the bias; the kernel does not touch it afterwards.

        Parameters
        ----------
        block : ndarray
            A view of the result, complete but for the epilogue.
        channel_axis : int
            Which of its axes counts the output channels (not negative).
        channels : slice
            Which of the output channels it holds.
        """
        shape = (-1, *(1,) * (block.ndim - 1 - channel_axis))
        if self.scale is not None:
            block *= self.scale[channels].reshape(shape)
        if self.bias is not None:
            block += self.bias[channels].reshape(shape)

    def finish(self, result: Array) -> None:
        """Add the residual to the whole result and apply the activation, in place."""
        if self.residual is not None:
            result += self.residual
        if self.activation is not None:
            np.maximum(result, 0, out=result)
        if self.activation == "relu6":
            np.minimum(result, 6, out=result)


def like(array: Array, other: Array) -> Array:
    """Return an array in the memory order of another of its shape: itself, or a copy."""
    if array.strides == other.strides:
        return array
    copy: Array = runtime.empty_like(other)
    copy[...] = array
    return copy
