"""Libraries that a benchmark compares, each a module that is run in a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CONTESTANTS", "Known", "known"]


@dataclass(frozen=True)
class Known:
    """A library that can take part.

    Attributes
    ----------
    title : str
        Its usual name.
    module : str
        What the process runs.
    variants : tuple of str
        The ways in which it is called, the fastest of which counts.
    remedy : str
        How to install it.
    """

    title: str
    module: str
    variants: tuple[str, ...]
    remedy: str

    @property
    def command(self) -> Sequence[str]:
        """What follows the interpreter."""
        return "-P", "-m", f"sevenloops.bench.contestants.{self.module}"


#: By the names that --against takes.
CONTESTANTS = {
    "sevenloops": Known("sevenloops", "ours", ("channels-first", "channels-last"), ""),
    "torch": Known("PyTorch", "with_torch", ("contiguous", "channels_last"), "run: pip install 'sevenloops[bench]'"),
    "onnxruntime": Known("ONNX Runtime", "with_onnxruntime", ("default",), "run: pip install onnx onnxruntime"),
    "openvino": Known("OpenVINO", "with_openvino", ("default",), "run: pip install openvino"),
}


def known(name: str) -> Known:
    """Return a library by its name.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in CONTESTANTS:
        others = [other for other in CONTESTANTS if other != "sevenloops"]
        raise ValueError(f"against must name some of {', '.join(others)}, or be none, but got {name!r}.")
    return CONTESTANTS[name]
