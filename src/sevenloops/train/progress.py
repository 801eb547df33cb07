"""Saying on stderr how training goes: a bar on a terminal, a line per epoch elsewhere."""

import sys
from types import TracebackType
from typing import Any, Self

__all__ = ["Progress"]

_FORMAT = "{desc} |{bar}| {rate_noinv_fmt}, {remaining} left{postfix}"  # fits 80 columns with ten of them for the bar


class Progress:
    """A bar over all images of all epochs with loss, accuracy, images per second and time left.

    Parameters
    ----------
    epochs, images : int
        Epochs, and images of each.
    done : int
        Images that have been seen before, by another process.
    quiet : bool
        Say nothing.

    Notes
    -----
    The bar is tqdm's. Without it, and where stderr is no terminal, each epoch ends in a plain line.
    """

    def __init__(self, epochs: int, images: int, *, done: int = 0, quiet: bool = False) -> None:
        self.epochs = epochs
        self.quiet = quiet
        self._bar: Any = None
        if quiet or done >= epochs * images or sys.stderr is None or not sys.stderr.isatty():
            return
        try:
            from tqdm import tqdm
        except ImportError:
            print("No progress bar: tqdm is not installed (pip install 'sevenloops[train]').", file=sys.stderr)
            return
        self._bar = tqdm(
            total=epochs * images,
            initial=done,
            desc=f"epoch {done // images + 1}/{epochs}",
            unit=" images",
            unit_scale=True,
            bar_format=_FORMAT,
            file=sys.stderr,
            dynamic_ncols=True,
            smoothing=0.1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, epoch: int, images: int, loss: float, accuracy: float) -> None:
        """Count a batch; loss and accuracy are the epoch's so far."""
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)
            self._bar.set_postfix_str(f"loss {loss:.3g}, accuracy {100 * accuracy:.1f} %", refresh=False)
            self._bar.update(images)

    def line(self, text: str) -> None:
        """Say a line, above the bar if there is one."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)
