"""How much of the processors others use while something is measured, where the system tells it (Linux)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["Load"]

_PROC = Path("/proc")
# In the line "cpu" of /proc/stat: user, nice, system, idle, waiting for disks, interrupts (2), stolen by a host.
_IDLE = (3, 4)
_FIELDS = 8


@dataclass(frozen=True)
class Load:
    """Ticks of all processors so far: all of them, the busy ones, and those of certain processes."""

    total: int
    busy: int
    own: int

    @classmethod
    def now(cls, processes: Iterable[int]) -> Self | None:
        """Return the state now; None where the system does not tell.

        Parameters
        ----------
        processes : iterable of int
            Those whose work is not a disturbance.
        """
        try:
            ticks = [int(text) for text in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1 : _FIELDS + 1]]
            own = sum(_ticks_of(process) for process in processes)
        except (OSError, ValueError, IndexError):
            return None
        return cls(sum(ticks), sum(ticks) - sum(ticks[place] for place in _IDLE), own)

    def others_since(self, before: "Load") -> float:
        """Return the share of all processors' time that others have used between two states."""
        total = self.total - before.total
        others = (self.busy - before.busy) - (self.own - before.own)
        return max(0.0, others / total) if total > 0 else 0.0


def _ticks_of(process: int) -> int:
    """Return a process's time with all its threads. Its name, in parentheses, may hold anything."""
    fields = (_PROC / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
