"""How exact each algorithm is: the one table for documentation, tests and plans.

An error here is the largest of a result's elements, relative to the largest magnitude in the result, for inputs of
normally distributed or uniform positive numbers and sums of at most about 10⁵ terms. In direct sums each element errs
relative to the sum of its own terms. Transforms compute elements together, so a small element next to a large one has
the error of the large one.

Measured, at most, in any direction, with kernels of 2 to 25 taps along one, two or three axes and 2 to 512 channels:

=======  =======  ========  =======
 dtype   direct   winograd    fft
=======  =======  ========  =======
float32  1.0e-6    3.4e-5   6.1e-7
float64  2.0e-15   6.0e-14  1.2e-15
=======  =======  ========  =======

(Winograd with 5 × 5 × 5 kernels; with 3 × 3 ones 6e-6 and 1e-14.) The bounds leave about four times as much. A
float16 result was computed in float32 and then rounded to eleven bits, which is more than all other errors.
"""

import numpy as np
import numpy.typing as npt

from sevenloops.conv import registry

__all__ = ["tolerance"]

_DIRECT = {"float16": 6e-4, "float32": 4e-6, "float64": 1e-14}
_TRANSFORMED = {
    "winograd": {"float16": 7e-4, "float32": 1.5e-4, "float64": 2.5e-13},
    "fft": {"float16": 6e-4, "float32": 4e-6, "float64": 1e-14},
}


def tolerance(algorithm: str, dtype: npt.DTypeLike) -> float:
    """Return the bound of an algorithm's rounding error, relative to the largest magnitude in its result.

    Parameters
    ----------
    algorithm : str
        One of `sevenloops.algorithms()`.
    dtype : dtype-like
        float16, float32 or float64.

    Raises
    ------
    UnknownAlgorithmError
        If no algorithm has that name.
    TypeError
        If the dtype is another one.

    References
    ----------
    N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, chapters 4, 23 and 24.
    B. Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks",
    arXiv 1803.10986.

    Examples
    --------
    >>> tolerance("im2col", "float32") < tolerance("winograd", "float32")
    True
    """
    name = np.dtype(dtype).name
    if name not in _DIRECT:
        raise TypeError(f"dtype must be {', '.join(_DIRECT)}, but got {name}; results have no other one.")
    return _TRANSFORMED.get(registry.get(algorithm).name, _DIRECT)[name]
