"""What counts as an array of the library: the three float dtypes, native byte order, and one dtype per call."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "DTYPES",
    "Array",
    "ArrayLike",
    "compute_dtype",
    "float_array",
    "float_arrays",
    "float_dtype",
    "named_dtype",
    "narrow",
]

Array: TypeAlias = npt.NDArray[Any]
ArrayLike: TypeAlias = npt.ArrayLike

#: The dtypes that operations take and return.
DTYPES = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))


def float_array(name: str, value: Any) -> Array:
    """Return `value` as an aligned array of native byte order, without a copy where it is one already.

    Raises
    ------
    TypeError
        If the dtype is none of float16, float32 and float64.
    """
    array = value if type(value) is np.ndarray else np.asarray(value)
    if array.dtype not in DTYPES:
        if array.dtype.kind != "f" or array.dtype.newbyteorder("=") not in DTYPES:
            raise TypeError(
                f"{name} must be a float16, float32 or float64 array, but its dtype is {array.dtype}; "
                f"convert it with {name}.astype(numpy.float32)."
            )
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.aligned else array.copy(order="K")


def float_arrays(**values: Any) -> list[Any]:
    """Return the values as arrays that share one float dtype; None stays None.

    Raises
    ------
    TypeError
        If a dtype is not a float dtype of the library, or two of them differ.
    """
    arrays = [None if value is None else float_array(name, value) for name, value in values.items()]
    given = [(name, array.dtype) for name, array in zip(values, arrays) if array is not None]
    if any(dtype != given[0][1] for _, dtype in given[1:]):
        raise _mixed(given)
    return arrays


def _mixed(given: list[tuple[str, np.dtype[Any]]]) -> TypeError:
    """Return the error for several dtypes; to be converted is the odd one out, or else the widest."""
    dtypes = [dtype for _, dtype in given]
    name, odd = min(given, key=lambda entry: (dtypes.count(entry[1]), -entry[1].itemsize))
    usual = max((dtype for dtype in dtypes if dtype != odd), key=dtypes.count)
    listing = ", ".join(f"{n} is {d}" for n, d in given)
    return TypeError(
        f"All arrays of a call must share one dtype, but {listing}; "
        f"convert one, for example {name}.astype(numpy.{usual})."
    )


def named_dtype(dtype: Any) -> np.dtype[Any]:
    """Return what a user calls a dtype as one of NumPy, which would take None for float64.

    Raises
    ------
    TypeError
        If it is none.
    """
    try:
        wanted: np.dtype[Any] | None = None if dtype is None else np.dtype(dtype)
    except TypeError:
        wanted = None
    if wanted is None:
        raise TypeError(f"dtype must be a dtype of NumPy, but got {dtype!r:.100}; there is no device to choose.")
    return wanted


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """Return what a user calls a dtype as one of the three float dtypes.

    Raises
    ------
    TypeError
        If it is none of them.
    """
    wanted = named_dtype(dtype)
    if wanted not in DTYPES:
        raise TypeError(f"dtype must be float16, float32 or float64, but got {wanted}.")
    return wanted


def compute_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which arrays of `dtype` are computed: float32 for float16, else `dtype` itself."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def narrow(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return what was computed in `compute_dtype(dtype)` as `dtype`; too large for float16 is infinite, unsaid."""
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        return array.astype(dtype)
