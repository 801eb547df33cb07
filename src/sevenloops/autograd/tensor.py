"""Tensor: an array that remembers how it was made."""

import operator
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sevenloops.arrays import DTYPES, Array, ArrayLike, float_array
from sevenloops.autograd.graph import Node, propagate
from sevenloops.autograd.methods import TensorMethods
from sevenloops.errors import ShapeError

__all__ = ["Tensor", "cotangent"]


class Tensor(TensorMethods):
    """An array of float16, float32 or float64 whose gradient can be asked for.

    Names follow PyTorch, but for `size` and `dtype`, which mean what they mean in NumPy (the number of elements, a
    NumPy dtype), `grad` and `data`, which are arrays, and `numpy()`, which also works where a gradient is required.

    Nothing is computed in place: ``x += y`` makes a new Tensor, and is refused where x is a leaf with a gradient.
    Comparisons compare elements, and as a key of a dict or set a Tensor is itself. NumPy's functions see the array;
    where a gradient would be lost they raise TypeError, and the functions of this package are to be used.

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
        `backward` it silently makes gradients wrong, since operations have kept these very arrays; only of an
        optimizer's step, `load_state_dict` and initialisers `backward` knows, and refuses.
    grad : ndarray or None
        The gradient accumulated so far, of the shape and dtype of `data`. Leaves have one, and results for which
        `retain_grad` was called. Further gradients are added in place; set it to None (or to zeros) before the next
        step.

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

    __slots__ = ("__weakref__", "_changed", "_node", "_requires_grad", "data", "grad")

    #: NumPy leaves ``array + tensor`` to the Tensor, and ``np.exp(tensor)`` fails instead of losing the gradient.
    __array_ufunc__: ClassVar[None] = None

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Compute NumPy's other functions on the arrays, but refuse where a gradient would be lost."""
        given: list[Tensor] = []
        result = function(*_arrays(args, given), **_arrays(kwargs, given))
        results = result if isinstance(result, (tuple, list)) else (result,)
        if any(t.requires_grad for t in given) and any(r.dtype in DTYPES for r in results if hasattr(r, "dtype")):
            raise TypeError(
                f"numpy.{function.__name__} knows no gradients, but a Tensor among its arguments requires one; use "
                f"the function of sevenloops, or tensor.detach() to go on without a gradient."
            )
        return result

    data: Array
    grad: Array | None
    _changed: int  # since which node of the process the values are others (see `graph.note_change`)
    _node: Node | None
    _requires_grad: bool

    def __init__(self, data: "ArrayLike | Tensor", requires_grad: bool = False) -> None:
        self.data = _tensor_array(data)
        self.grad = None
        self._changed = 0
        self._node = None
        self._requires_grad = False
        self.requires_grad = requires_grad

    @classmethod
    def _wrap(cls, data: Array, node: Node | None) -> "Tensor":
        """Return the Tensor of an operation's result, unchecked; it requires a gradient if it has a node."""
        tensor = cls.__new__(cls)
        tensor.data = data
        tensor.grad = None
        tensor._changed = 0
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

    def numel(self) -> int:
        """Return the number of elements."""
        return self.data.size

    def dim(self) -> int:
        """Return the number of axes."""
        return self.data.ndim

    def __len__(self) -> int:
        if not self.data.ndim:
            raise TypeError("A Tensor without axes has no length; its one element is .item().")
        return len(self.data)

    def __iter__(self) -> Iterator["Tensor"]:
        if not self.data.ndim:
            raise TypeError("A Tensor without axes cannot be iterated over; its one element is .item().")
        return (self[index] for index in range(len(self.data)))

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

    def tolist(self) -> Any:
        """Return the elements as Python numbers, in nested lists."""
        return self.data.tolist()

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

    def __index__(self) -> int:
        if self.data.size != 1:  # `"1" * tensor` asks too; Python then names the operator and both types
            raise TypeError(f"Only a Tensor of one integer can be an index, but the shape is {self.shape}.")
        return operator.index(self.item())

    def __contains__(self, value: Any) -> bool:
        return bool((self.data == (value.data if isinstance(value, Tensor) else value)).any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __getstate__(self) -> object:
        if self._node is not None:
            raise RuntimeError(
                f"Only leaves can be copied or pickled, but this Tensor is a result of {self._node.operation.name}; "
                f"use .detach() first."
            )
        state: Any = super().__getstate__()
        attributes, slots = state
        return attributes, slots | {"_changed": 0}  # a copy is new, and another process counts its nodes anew

    # --- changing it ---------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:  # for a type checker every attribute would be there

        def __getattr__(self, name):
            """Say where values are changed, if a method is missed that other libraries compute in place."""
            kind, here = type(self).__name__, name.endswith("_") and not name.startswith("_")
            rest = ", since nothing is computed in place; write into .data, as in tensor.data += ..." if here else ""
            raise AttributeError(f"{kind!r} object has no attribute {name!r}{rest}", name=name, obj=self)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "Tensors cannot be written into, since operations may have kept their elements for backward(); make "
            "a new one with sevenloops.where(), or write into .data between two steps."
        )

    # --- its gradient --------------------------------------------------------------------------------------------

    def backward(self, g: "ArrayLike | Tensor | None" = None, retain_graph: bool = False) -> None:
        """Add to ``.grad`` of every leaf below the gradient of ``sum(g · self)`` by that leaf.

        The arrays that operations have saved are released on the way, so a graph can be used once
        unless it is retained.

        Parameters
        ----------
        g : array_like or Tensor, optional
            The gradient of the final result by this Tensor (the cotangent): its shape and dtype. None means 1,
            where there is only one element.
        retain_graph : bool, default False
            Keep what the operations have saved, so that the graph can be used again.

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
        propagate([(self if self._node is None else self._node, cotangent(g, self.data))], retain_graph)

    def retain_grad(self) -> None:
        """Let `backward` leave a gradient in ``.grad`` here too, though this Tensor is a result and not a leaf.

        Raises
        ------
        RuntimeError
            If this Tensor does not require a gradient.

        Examples
        --------
        >>> import sevenloops as sl
        >>> x = sl.Tensor([1.0, 2.0], requires_grad=True)
        >>> y = x * 3.0
        >>> y.retain_grad()
        >>> (y * y).sum().backward()
        >>> y.grad
        array([ 6., 12.])
        """
        if not self._requires_grad:
            raise RuntimeError("retain_grad() needs a Tensor that requires a gradient, but this one does not.")
        if self._node is not None:
            self._node.retained = weakref.ref(self)


def _in_place(symbol: str) -> Any:
    """Return the method behind an operator that other libraries compute in place."""

    # ``x += y`` makes a new Tensor, which is what Python does where this returns NotImplemented: right for results. A
    # leaf would silently stay as it is, where PyTorch changes it under no_grad() and otherwise refuses.
    def method(self: Tensor, other: Any) -> Any:
        if self.requires_grad and self.is_leaf:
            raise RuntimeError(
                f"tensor {symbol} makes a new Tensor and would leave this leaf, which requires a gradient, as it is; "
                f"to change its values between two steps write tensor.data {symbol} ..."
            )
        return NotImplemented

    return method


for _name, _symbol in (("iadd", "+="), ("isub", "-="), ("imul", "*="), ("itruediv", "/="), ("ipow", "**=")):
    setattr(Tensor, f"__{_name}__", _in_place(_symbol))


def _arrays(value: Any, met: list[Tensor]) -> Any:
    """Return the arguments of a call with arrays for Tensors, which are noted in `met`."""
    if isinstance(value, Tensor):
        met.append(value)
        return value.data
    if type(value) in (tuple, list):
        return type(value)(_arrays(entry, met) for entry in value)
    return {name: _arrays(v, met) for name, v in value.items()} if isinstance(value, dict) else value


def _tensor_array(data: Any) -> Array:
    """Return the data of a Tensor: a float array, or integers or bools of native byte order."""
    array = data if type(data) is np.ndarray else np.asarray(data)
    if array.dtype.kind in "iub":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    return float_array("data", array)


def cotangent(g: Any, result: Array) -> Array:
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
