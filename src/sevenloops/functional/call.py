"""What the public functions on images share: arguments checked, layout and missing batch axis undone."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array, float_arrays
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.geometry import ConvGeometry, Layout, resolve_layout
from sevenloops.memory import has_channels_last

__all__ = ["Form", "check_given", "inputs"]


@dataclass(frozen=True, slots=True)
class Form:
    """How the arrays of a call are written: their layout, and whether the batch axis is there."""

    layout: Layout
    batched: bool

    @classmethod
    def of(cls, axes: int, layout: str, ndim: int, name: str = "x") -> "Form":
        """Return the form of a call whose main array has `ndim` axes."""
        form = cls(resolve_layout(layout, axes), ndim == axes + 2)
        if ndim not in (axes + 1, axes + 2):
            letters = form.layout.name
            raise ShapeError(
                f"{name} must have {axes + 2} axes ({letters}), or {axes + 1} without the batch axis, "
                f"but it has {ndim}; reshape it."
            )
        return form

    def enter(self, array: Array) -> Array:
        """View an input, output or gradient of the call as (N, C, *spatial)."""
        return self.layout.channels_first(array if self.batched else array[None])

    def leave(self, array: Array) -> Array:
        """View (N, C, *spatial) as the call's own form."""
        restored = self.layout.restore(array)
        return restored if self.batched else restored[0]

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return a shape of the call as (N, C, *spatial)."""
        return self.layout.shape_first(shape if self.batched else (1, *shape))

    def weight(self, weight: Array) -> Array:
        """View a weight of the call as (O, C/groups, *kernel)."""
        if weight.ndim != self.layout.axes + 2:
            order = "*kernel, in, out" if self.layout.channels_last else "out, in, *kernel"
            raise ShapeError(
                f"weight must have {self.layout.axes + 2} axes ({order}) in layout {self.layout.name}, "
                f"but it has {weight.ndim}."
            )
        return self.layout.weight_first(weight)

    def empty_weight(self, geometry: ConvGeometry, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """Allocate a weight gradient; return it as the call writes it, and as (O, C/groups, *kernel)."""
        shape = geometry.weight_shape
        if self.layout.channels_last:
            shape = (*shape[2:], shape[1], shape[0])
        written = runtime.empty(shape, dtype)
        return written, self.layout.weight_first(written)

    def has_channels_last(self, entered: Array) -> bool:
        """Return the memory order of an (N, C, *spatial) view; the layout decides where strides leave it open."""
        return has_channels_last(entered, otherwise=self.layout.channels_last)


def inputs(**values: Any) -> tuple[list[Any], list[Any]]:
    """Return the values of a call as Tensors or arrays, and as plain arrays; array-likes are converted.

    Only the bias may be None.

    Raises
    ------
    TypeError
        If they do not share one float dtype, or one is missing.
    """
    check_given(**{name: value for name, value in values.items() if name != "bias"})
    arrays = float_arrays(**{name: v.data if isinstance(v, Tensor) else v for name, v in values.items()})
    return [v if isinstance(v, Tensor) else a for v, a in zip(values.values(), arrays)], arrays


def check_given(**values: Any) -> None:
    """Refuse None where an array is needed."""
    for name, value in values.items():
        if value is None:
            raise TypeError(f"{name} must be an array, but got None.")
