"""Subscripts of the convolution for einsum: one letter per axis, the same letters for both einsum rungs.

n image, g group, o output channel of the group, c input channel of the group, i j k positions, u v w taps
"""

from dataclasses import dataclass

from sevenloops.arrays import Array
from sevenloops.geometry import ConvGeometry

__all__ = ["Subscripts", "split_channels", "split_weight"]

_POSITIONS, _TAPS = "ijk", "uvw"


@dataclass(frozen=True, slots=True)
class Subscripts:
    """The letters of one convolution; a single group has no letter, which leaves einsum free to call BLAS."""

    x: str
    weight: str
    y: str

    @classmethod
    def of(cls, g: ConvGeometry, positions: bool) -> "Subscripts":
        """Return the letters, without those of positions where one position is computed at a time."""
        group = "g" if g.groups > 1 else ""
        at = _POSITIONS[: g.axes] if positions else ""
        taps = _TAPS[: g.axes]
        return cls(f"n{group}c{at}{taps}", f"{group}oc{taps}", f"n{group}o{at}")

    @property
    def forward(self) -> str:
        """Windows and weight to output."""
        return f"{self.x},{self.weight}->{self.y}"

    @property
    def input_grad(self) -> str:
        """Output gradient and weight to the gradient of each window."""
        return f"{self.y},{self.weight}->{self.x}"

    @property
    def weight_grad(self) -> str:
        """Output gradient and windows to the weight's gradient."""
        return f"{self.y},{self.x}->{self.weight}"


def split_channels(array: Array, g: ConvGeometry) -> Array:
    """View (N, channels, …) as (N, groups, channels/groups, …); with a single group as it is."""
    return array if g.groups == 1 else array.reshape(array.shape[0], g.groups, -1, *array.shape[2:])


def split_weight(weight: Array, g: ConvGeometry) -> Array:
    """View (O, C/groups, *kernel) as (groups, O/groups, C/groups, *kernel); with a single group as it is."""
    return weight if g.groups == 1 else weight.reshape(g.groups, g.group_out, *weight.shape[1:])
