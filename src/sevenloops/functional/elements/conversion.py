"""Tensors of another dtype or in memory of their own."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import DTYPES, Array, ArrayLike, float_dtype, named_dtype
from sevenloops.autograd import Operation, Tensor, apply

__all__ = ["METHODS", "converted"]


def _cast(x: Array, *, dtype: np.dtype[Any]) -> tuple[Array, np.dtype[Any]]:
    return x.astype(dtype), x.dtype


def _cast_vjp(grad: Array, saved: np.dtype[Any], needs: tuple[bool, ...], *, dtype: np.dtype[Any]) -> tuple[Array]:
    return (grad.astype(saved),)


def _clone(x: Array, *, order: Any) -> tuple[Array, None]:
    return x.copy(order), None


def _clone_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, order: Any) -> tuple[Array]:
    return (grad,)


#: Attribute: dtype.
CAST = Operation("to", _cast, _cast_vjp)
#: Attribute: order ("K" or "C", as NumPy has it).
CLONE = Operation("clone", _clone, _clone_vjp)


def to(self: Tensor, dtype: npt.DTypeLike) -> Any:
    """Return the values in another dtype; the Tensor itself where it has it already.

    Between float16, float32 and float64 gradients pass; integers and bools have none, so a Tensor of them has no
    history.
    """
    wanted = named_dtype(dtype)
    if wanted == self.dtype:
        return self
    if wanted in DTYPES and self.dtype in DTYPES:
        return apply(CAST, self, dtype=wanted)
    return Tensor(self.data.astype(wanted))


def converted(value: Tensor | ArrayLike, dtype: npt.DTypeLike | None) -> Any:
    """Return an array or Tensor of floats in another dtype; None leaves it as it is."""
    if dtype is None:
        return value
    wanted = float_dtype(dtype)
    return to(value, wanted) if isinstance(value, Tensor) else np.asarray(value, wanted)


def half(self: Tensor) -> Any:
    """Return the values as float16."""
    return to(self, np.float16)


def float_(self: Tensor) -> Any:
    """Return the values as float32."""
    return to(self, np.float32)


def double(self: Tensor) -> Any:
    """Return the values as float64."""
    return to(self, np.float64)


def long(self: Tensor) -> Any:
    """Return the values as int64, rounded towards 0; without history."""
    return to(self, np.int64)


def bool_(self: Tensor) -> Any:
    """Return where the values are not 0; without history."""
    return to(self, np.bool_)


def clone(self: Tensor) -> Any:
    """Return a copy in the same memory order, through which gradients pass."""
    return apply(CLONE, self, order="K")


def contiguous(self: Tensor) -> Any:
    """Return a Tensor whose elements follow each other in memory: this one if they do, else a copy."""
    return self if self.data.flags.c_contiguous else apply(CLONE, self, order="C")


#: What `sevenloops.functional.methods` attaches to Tensor.
METHODS: dict[str, Any] = {
    "to": to,
    "astype": to,
    "half": half,
    "float": float_,
    "double": double,
    "long": long,
    "bool": bool_,
    "clone": clone,
    "contiguous": contiguous,
}
