"""Local response normalisation on plain arrays: each channel is divided by a power of its neighbours' mean square.

With n = size, and W(c) the channels from c - n // 2 to c + (n - 1) // 2 that exist,

    d[c] = k + alpha / n · Σ_{j in W(c)} x[j]²            y = x · d^(-beta)

    dx[c] = grad[c] · d[c]^(-beta) - 2·alpha·beta / n · x[c] · Σ_{j: c in W(j)} grad[j] · x[j] · d[j]^(-beta - 1)

x, grad and out are (N, C, *spatial), of float32 or float64; `out` is written and nothing is checked.
"""

import numpy as np

from sevenloops.arrays import Array

__all__ = ["local_response", "local_response_grad"]


def local_response(x: Array, size: int, alpha: float, beta: float, k: float, out: Array) -> None:
    """Write y."""
    with np.errstate(all="ignore"):
        np.multiply(x, _divisor(x, size, alpha, k) ** -beta, out=out)


def local_response_grad(grad: Array, x: Array, size: int, alpha: float, beta: float, k: float, out: Array) -> None:
    """Write dx."""
    with np.errstate(all="ignore"):
        d = _divisor(x, size, alpha, k)
        share = grad * d**-beta
        np.copyto(out, share)
        share *= x
        share /= d
        # c is in W(j) for j from c - (n - 1) // 2 to c + n // 2: the window, turned round.
        passed = _window_sum(share, (size - 1) // 2, size // 2)
        passed *= x
        passed *= 2 * alpha * beta / size
        out -= passed


def _divisor(x: Array, size: int, alpha: float, k: float) -> Array:
    d = _window_sum(x * x, size // 2, (size - 1) // 2)
    d *= alpha / size
    d += k
    return d


def _window_sum(values: Array, below: int, above: int) -> Array:
    """Return, for each channel c, the sum of the channels from c - below to c + above that exist."""
    channels = values.shape[1]
    total = np.zeros_like(values)
    for offset in range(-min(below, channels - 1), min(above, channels - 1) + 1):
        target = slice(max(0, -offset), channels - max(0, offset))
        source = slice(max(0, offset), channels - max(0, -offset))
        total[:, target] += values[:, source]
    return total
