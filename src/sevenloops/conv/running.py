"""Calling the kernel that a plan names."""

from typing import Any

from sevenloops import runtime
from sevenloops.conv import registry
from sevenloops.conv.problem import Direction
from sevenloops.conv.select import ConvPlan

__all__ = ["ends_channels_last", "run"]


def run(chosen: ConvPlan, direction: Direction, *arguments: Any) -> None:
    """Call the kernel with BLAS held to one thread: kernels that want more take them from `runtime.parallel`.

    BLAS's own threads wait for each other in busy loops, thousands of times in a product with a long inner side; with
    anything else running such a product has been seen to take a thousand times as long. Machine code has no use for
    BLAS.
    """
    kernel = registry.kernel(chosen.algorithm, direction, chosen.backend)
    if chosen.backend == "jit":
        kernel(*arguments)
    else:
        with runtime.single_threaded_blas():
            kernel(*arguments)


def ends_channels_last(chosen: ConvPlan) -> bool:
    """Return the memory order of a result: the input's, but for machine code, which writes channels side by side.

    So a network whose first input has its channels first pays for one change of order.
    """
    return chosen.problem.channels_last or chosen.backend == "jit"
