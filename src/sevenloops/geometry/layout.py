"""Layouts: the order of the axes in a shape. Kernels know one only, channels first; the rest are views of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sevenloops.arrays import Array

__all__ = ["Layout", "resolve_layout"]

_SPATIAL = {1: "W", 2: "HW", 3: "DHW"}


@dataclass(frozen=True)
class Layout:
    """Where the channels stand in a shape with `axes` spatial axes."""

    axes: int
    channels_last: bool

    @property
    def name(self) -> str:
        """The usual name: NCHW, NHWC and their 1-D and 3-D relatives."""
        spatial = _SPATIAL[self.axes]
        return f"N{spatial}C" if self.channels_last else f"NC{spatial}"

    @cached_property
    def _weight_axes(self) -> tuple[int, ...]:
        """Axes of (*kernel, in, out) in the order (out, in, *kernel)."""
        return (self.axes + 1, self.axes, *range(self.axes))

    def channels_first(self, array: Array) -> Array:
        """View an (N, …) array of this layout as (N, C, *spatial)."""
        if not self.channels_last:
            return array
        return array.transpose(0, self.axes + 1, *range(1, self.axes + 1))

    def restore(self, array: Array) -> Array:
        """View an (N, C, *spatial) array in this layout."""
        if not self.channels_last:
            return array
        return array.transpose(0, *range(2, self.axes + 2), 1)

    def weight_first(self, weight: Array) -> Array:
        """View a weight of this layout as (out, in, *kernel)."""
        return weight.transpose(self._weight_axes) if self.channels_last else weight

    def weight_restore(self, weight: Array) -> Array:
        """View an (out, in, *kernel) weight in this layout."""
        if not self.channels_last:
            return weight
        return weight.transpose(*np.argsort(self._weight_axes))

    def shape_first(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Reorder the shape of an (N, …) array of this layout as (N, C, *spatial)."""
        return (shape[0], shape[-1], *shape[1:-1]) if self.channels_last else shape


_LAYOUTS = {axes: {layout.name: layout for layout in (Layout(axes, False), Layout(axes, True))} for axes in _SPATIAL}


def resolve_layout(name: str, axes: int) -> Layout:
    """Return the layout of that name for `axes` spatial axes.

    Raises
    ------
    TypeError
        If the name is not text.
    ValueError
        If it is not one of the two layouts of that dimension.
    """
    if not isinstance(name, str):
        raise TypeError(f"layout must be a name, but got {name!r}.")
    try:
        return _LAYOUTS[axes][name]
    except KeyError:
        first, last = _LAYOUTS[axes]
        raise ValueError(f'layout must be "{first}" or "{last}" for {axes} spatial axes, but got {name!r}.') from None
