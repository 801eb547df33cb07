"""Windows along one axis: the only place where an output size is computed.

A kernel of k taps with dilation d covers ``e = (k - 1)·d + 1`` positions. Window i starts at ``i·s - before`` and
must end inside the padded axis: ``i·s + e <= length + before + after``. Hence the number of windows

    out = floor((length + before + after - e) / s) + 1.
"""

__all__ = ["effective_kernel", "output_length", "same_padding", "tap_range"]


def effective_kernel(kernel: int, dilation: int) -> int:
    """Return how many positions a dilated kernel covers."""
    return (kernel - 1) * dilation + 1


def output_length(
    length: int,
    kernel: int,
    stride: int,
    padding: tuple[int, int],
    dilation: int,
    ceil_mode: bool = False,
) -> int:
    """Return the number of windows along an axis; zero or less where not one fits.

    With `ceil_mode` a last window may hang over the end, if it starts inside the input or the padding before it.
    """
    before, after = padding
    room = length + before + after - effective_kernel(kernel, dilation)
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= length + before else count


def same_padding(length: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the (before, after) padding that makes ``out = ceil(length / stride)``; the odd pixel is at the end."""
    out = -(-length // stride)
    total = max((out - 1) * stride + effective_kernel(kernel, dilation) - length, 0)
    return total // 2, total - total // 2


def tap_range(length: int, out: int, stride: int, offset: int) -> tuple[int, int]:
    """Return (first, stop): of `out` windows, those for which ``0 <= i·stride + offset < length``.

    With ``offset = tap·dilation - before`` these are the windows whose tap lies in the input. Where there are none,
    ``first >= stop``.
    """
    return max(-(offset // stride), 0), min((length - 1 - offset) // stride + 1, out)
