"""What the public convolution functions share beyond their form: how to compute, and the check of the bias."""

from dataclasses import dataclass
from typing import Any

from sevenloops.arrays import Array
from sevenloops.conv import execute
from sevenloops.conv.problem import Direction
from sevenloops.conv.select import ConvPlan
from sevenloops.errors import ShapeError
from sevenloops.functional.call import Form
from sevenloops.geometry import ConvGeometry
from sevenloops.geometry.arguments import integer

__all__ = ["Options", "check_bias"]


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments that say how to compute, not what."""

    algorithm: str
    max_workspace: int | None

    @property
    def as_key(self) -> tuple[str, int | None]:
        """Both, as parts of a key."""
        return self.algorithm, self.max_workspace

    @classmethod
    def of(cls, algorithm: Any, max_workspace: Any) -> "Options":
        """Check the two arguments; names of algorithms are looked up when one is chosen."""
        if not isinstance(algorithm, str):
            raise TypeError(f"algorithm must be a name, but got {algorithm!r}.")
        if max_workspace is None and algorithm == "auto":
            return _AUTO
        if max_workspace is not None:
            max_workspace = integer("max_workspace", max_workspace, 0)
        return cls(algorithm, max_workspace)

    def plan(self, form: Form, geometry: ConvGeometry, direction: Direction, array: Array) -> ConvPlan:
        """Plan one pass; the memory order is read from `array`, the main input of the pass in the call's form."""
        last = form.has_channels_last(form.enter(array))
        return execute.plan(geometry, direction, array.dtype, last, self.algorithm, self.max_workspace)


_AUTO = Options("auto", None)


def check_bias(bias: Array | None, out_channels: int) -> None:
    """Refuse a bias that is not one number per output channel; (O, 1) would broadcast along the wrong axis."""
    if bias is not None and bias.shape != (out_channels,):
        raise ShapeError(
            f"bias must have one entry per output channel, shape ({out_channels},), but its shape is {bias.shape}; "
            f"use bias.reshape({out_channels})."
            if bias.size == out_channels
            else f"bias must have one entry per output channel, shape ({out_channels},), "
            f"but its shape is {bias.shape}."
        )
