"""Tensor: an array that remembers how it was made; and the switch that says whether it should."""

import inspect
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import wraps
from typing import Any, ClassVar, ParamSpec, TypeVar

import numpy as np

from sevenloops.arrays import DTYPES, Array, ArrayLike, float_array
from sevenloops.autograd.graph import Node, accumulate, propagate
from sevenloops.autograd.methods import TensorMethods
from sevenloops.errors import ShapeError

__all__ = ["Tensor", "enable_grad", "is_grad_enabled", "no_grad"]

P = ParamSpec("P")
R = TypeVar("R")


class Tensor(TensorMethods):
    """An array of float16, float32 or float64 whose gradient can be asked for.

    Names follow PyTorch, but for `size` and `dtype`, which mean what they mean in NumPy (the number of elements, a
    NumPy dtype), `grad` and `data`, which are arrays, and `numpy()`, which also works where a gradient is required.

    Parameters
    ----------
    data : array_like
        Any shape. An aligned array of native byte order is shared, not copied; lists become arrays as in NumPy
        (so Python floats become float64). Integers and bools are allowed where no gradient is required (labels).
    requires_grad : bool
        Whether `backward` shall leave a gradient here.

    Attributes
    ----------
    data : ndarray
        The values. Writing into them is allowed between steps, as optimizers do. Between the forward pass and
        `backward` it silently makes gradients wrong, since operations have kept these very arrays.
    grad : ndarray or None
        The gradient accumulated so far, of the shape and dtype of `data`. Only leaves have one. Further gradients
        are added in place; set it to None (or to zeros) before the next step.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, or a gradient is required of integers.

    Examples
    --------
    >>> import numpy as np
    >>> import sevenloops as sl
    >>> x = sl.Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_node", "_requires_grad", "data", "grad")

    #: NumPy leaves ``array + tensor`` to the Tensor, and ``np.exp(tensor)`` fails instead of losing the gradient.
    __array_ufunc__: ClassVar[None] = None

    data: Array
    grad: Array | None
    _node: Node | None
    _requires_grad: bool

    def __init__(self, data: "ArrayLike | Tensor", requires_grad: bool = False) -> None:
        self.data = _tensor_array(data)
        self.grad = None
        self._node = None
        self._requires_grad = False
        self.requires_grad = requires_grad

    @classmethod
    def _wrap(cls, data: Array, node: Node | None) -> "Tensor":
        """Return the Tensor of an operation's result, unchecked; it requires a gradient if it has a node."""
        tensor = cls.__new__(cls)
        tensor.data = data
        tensor.grad = None
        tensor._node = node
        tensor._requires_grad = node is not None
        return tensor

    # --- what it is ----------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` computes a gradient for this Tensor; can be set on leaves."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.data.dtype not in DTYPES:
            raise TypeError(
                f"Only float16, float32 and float64 Tensors can require a gradient, but this one is "
                f"{self.data.dtype}; convert the data with .astype(numpy.float32)."
            )
        if self._node is not None and not value:
            raise RuntimeError(
                f"requires_grad can only be switched off on leaves, but this Tensor is a result of "
                f"{self._node.operation.name}; use .detach()."
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set `requires_grad` and return the Tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor was made by the user, and not by a recorded operation."""
        return self._node is None

    @property
    def node(self) -> Node | None:
        """The record of the operation that made this Tensor; None for leaves."""
        return self._node

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements (NumPy's meaning; PyTorch's `numel()`)."""
        return self.data.size

    def __len__(self) -> int:
        if not self.data.ndim:
            raise TypeError("A Tensor without axes has no length; its one element is .item().")
        return len(self.data)

    def __repr__(self) -> str:
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        if self._node is not None:
            note = f", made by {self._node.operation.name}"
        else:
            note = ", requires_grad=True" if self._requires_grad else ""
        return f"Tensor({body}, dtype={self.data.dtype}{note})"

    # --- its values ----------------------------------------------------------------------------------------------

    def numpy(self) -> Array:
        """Return the values as an array that shares their memory."""
        return self.data

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self.data.size != 1:
            raise ShapeError(f"item() needs exactly one element, but the shape is {self.shape}.")
        return self.data.item()

    def detach(self) -> "Tensor":
        """Return a Tensor with the same memory and no history, which requires no gradient."""
        return Tensor._wrap(self.data, None)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy:
            return np.array(self.data, dtype=dtype)
        if copy is False and dtype is not None and np.dtype(dtype) != self.data.dtype:
            raise ValueError(f"A {self.data.dtype} Tensor cannot become {np.dtype(dtype)} without a copy.")
        return np.asarray(self.data, dtype=dtype)

    def __bool__(self) -> bool:
        return bool(self.data)  # NumPy refuses where there is not exactly one element

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __getstate__(self) -> object:
        if self._node is not None:
            raise RuntimeError(
                f"Only leaves can be copied or pickled, but this Tensor is a result of {self._node.operation.name}; "
                f"use .detach() first."
            )
        return super().__getstate__()

    # --- its gradient --------------------------------------------------------------------------------------------

    def backward(self, g: "ArrayLike | Tensor | None" = None) -> None:
        """Add to ``.grad`` of every leaf below the gradient of ``sum(g · self)`` by that leaf.

        The arrays that operations have saved are released on the way, so a graph can be used once.

        Parameters
        ----------
        g : array_like or Tensor, optional
            The gradient of the final result by this Tensor (the cotangent): its shape and dtype. None means 1,
            where there is only one element.

        Raises
        ------
        ShapeError
            If `g` does not have the Tensor's shape, or is missing where there is more than one element.
        TypeError
            If `g` is an array of another dtype.
        RuntimeError
            If this Tensor does not require a gradient, or its graph has been used already.

        Examples
        --------
        >>> import numpy as np
        >>> import sevenloops as sl
        >>> x = sl.Tensor(np.array([1.0, 2.0]), requires_grad=True)
        >>> (3.0 * x).backward(np.array([1.0, 10.0]))
        >>> x.grad
        array([ 3., 30.])
        """
        if not self._requires_grad:
            raise RuntimeError(
                "backward() needs a Tensor that requires a gradient, but this one has no input with "
                "requires_grad=True, or was made under no_grad()."
            )
        gradient = _cotangent(g, self.data)
        if self._node is None:
            accumulate(self, gradient)
        else:
            propagate(self._node, gradient)


def _tensor_array(data: Any) -> Array:
    """Return the data of a Tensor: a float array, or integers or bools of native byte order."""
    array = data if type(data) is np.ndarray else np.asarray(data)
    if array.dtype.kind in "iub":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    return float_array("data", array)


def _cotangent(g: Any, result: Array) -> Array:
    """Return the start gradient of `backward`, checked against the result it belongs to."""
    if g is None:
        if result.size != 1:
            raise ShapeError(
                f"backward() without a gradient needs a Tensor of one element, but its shape is {result.shape}; "
                f"pass backward(g) with g of that shape, or call it on a sum or a mean."
            )
        return np.ones_like(result)
    if isinstance(g, Tensor):
        g = g.data
    array = g if isinstance(g, np.ndarray) else np.asarray(g, result.dtype)
    if array.shape != result.shape:
        raise ShapeError(
            f"backward(g) needs g of the Tensor's shape, but g has {array.shape} and the Tensor {result.shape}."
        )
    if array.dtype != result.dtype:
        raise TypeError(
            f"backward(g) needs g of the Tensor's dtype, but g is {array.dtype} and the Tensor {result.dtype}; "
            f"convert it with g.astype(numpy.{result.dtype})."
        )
    return np.asarray(array)


# --- whether operations are recorded ------------------------------------------------------------------------------

_grad_enabled: ContextVar[bool] = ContextVar("sevenloops_grad_enabled", default=True)


def is_grad_enabled() -> bool:
    """Return whether operations are recorded in this thread (or asyncio task)."""
    return _grad_enabled.get()


class _GradMode:
    """A context manager and decorator that sets whether operations are recorded, in this thread or task only."""

    _enabled: ClassVar[bool]

    def __init__(self) -> None:
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_grad_enabled.set(self._enabled))

    def __exit__(self, *exception: object) -> None:
        _grad_enabled.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{type(self).__name__} can decorate plain functions only, but {function.__name__} suspends; "
                f"use a with block inside it."
            )

        @wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)():  # one per call: calls may nest and run in several threads
                return function(*args, **kwargs)

        return inside


class no_grad(_GradMode):
    """Compute without recording: nothing inside requires a gradient, and no input is kept for one.

    Usable as ``with no_grad():`` and as ``@no_grad()``; it holds for this thread or asyncio task.

    Examples
    --------
    >>> import sevenloops as sl
    >>> x = sl.Tensor([1.0, 2.0], requires_grad=True)
    >>> with sl.no_grad():
    ...     y = x * 2.0
    >>> y.requires_grad
    False
    """

    _enabled = False


class enable_grad(_GradMode):
    """Record again inside a `no_grad` block.

    Usable as ``with enable_grad():`` and as ``@enable_grad()``; it holds for this thread or asyncio task.

    Examples
    --------
    >>> import sevenloops as sl
    >>> x = sl.Tensor([1.0, 2.0], requires_grad=True)
    >>> with sl.no_grad(), sl.enable_grad():
    ...     y = x * 2.0
    >>> y.requires_grad
    True
    """

    _enabled = True
