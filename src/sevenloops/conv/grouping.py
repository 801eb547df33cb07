"""Views that the NumPy algorithms share: the groups of a grouped convolution as an axis of their own."""

from sevenloops.arrays import Array
from sevenloops.geometry import ConvGeometry

__all__ = ["grouped_channels", "grouped_weight"]


def grouped_channels(array: Array, groups: int) -> Array:
    """View (N, C, …) as (N, groups, C/groups, …)."""
    return array.reshape(array.shape[0], groups, -1, *array.shape[2:])


def grouped_weight(weight: Array, geometry: ConvGeometry) -> Array:
    """View (O, C/groups, *kernel) as (groups, O/groups, C/groups, *kernel)."""
    return weight.reshape(geometry.groups, geometry.group_out, *weight.shape[1:])
