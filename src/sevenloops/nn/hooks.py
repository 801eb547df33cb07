"""Functions that users attach to a module: called before it, after it, and when gradients have passed through it."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import Operation, Tensor, apply, is_grad_enabled
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import flag

__all__ = ["Hooked", "RemovableHandle"]

_numbers = itertools.count()


class _Hook(NamedTuple):
    function: Callable[..., Any]
    with_kwargs: bool


class RemovableHandle:
    """What registering a hook returns: `remove` takes the hook away again; so does the end of a ``with`` block."""

    def __init__(self, hooks: dict[int, _Hook], number: int) -> None:
        self._hooks, self._number = hooks, number

    def remove(self) -> None:
        """Take the hook away; a second time nothing happens."""
        self._hooks.pop(self._number, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Hooked:
    """Base of Module: what is called is ``forward``, between the hooks."""

    _pre_hooks: dict[int, _Hook]
    _forward_hooks: dict[int, _Hook]
    _backward_hooks: dict[int, _Hook]

    def _set_no_hooks(self) -> None:
        self.__dict__.update(_pre_hooks={}, _forward_hooks={}, _backward_hooks={})

    @property
    def has_hooks(self) -> bool:
        """Whether a call of the module does more than call `forward`."""
        return bool(self._pre_hooks or self._forward_hooks or self._backward_hooks)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every module that is called defines it."""
        raise TypeError(f"A Module that is called must define forward, but {type(self).__name__} does not; add it.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what `forward` returns, after and before the hooks."""
        if not self.has_hooks:
            return self.forward(*args, **kwargs)
        for hook in list(self._pre_hooks.values()):
            args, kwargs = _before(self, hook, args, kwargs)
        if not self._backward_hooks:
            result = self.forward(*args, **kwargs)
        else:
            gates = _Gates(self)
            result = gates.leave(self.forward(*gates.enter(args), **kwargs))
        for hook in list(self._forward_hooks.values()):
            given = (args, kwargs) if hook.with_kwargs else (args,)
            replaced = hook.function(self, *given, result)
            result = result if replaced is None else replaced
        return result

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Let ``hook(module, args)`` be called before every `forward`.

        Parameters
        ----------
        hook : callable
            What it returns, unless None, replaces the arguments: a tuple, or one that is no tuple as the only one.
        prepend : bool
            Whether it is called before those registered earlier, instead of after them.
        with_kwargs : bool
            Whether it is called as ``hook(module, args, kwargs)``; what replaces them is a pair (args, kwargs).

        Returns
        -------
        RemovableHandle
            Its ``remove()`` takes the hook away.

        Examples
        --------
        >>> import numpy as np
        >>> from sevenloops import nn
        >>> layer = nn.ReLU()
        >>> with layer.register_forward_pre_hook(lambda module, args: -args[0]):
        ...     layer(np.array([-1.0, 2.0]))
        array([1., 0.])
        >>> layer(np.array([-1.0, 2.0]))
        array([0., 2.])
        """
        return _register(self._pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Let ``hook(module, args, result)`` be called after every `forward`.

        Parameters
        ----------
        hook : callable
            What it returns, unless None, replaces the result.
        prepend : bool
            Whether it is called before those registered earlier, instead of after them.
        with_kwargs : bool
            Whether it is called as ``hook(module, args, kwargs, result)``.

        Returns
        -------
        RemovableHandle
            Its ``remove()`` takes the hook away.

        Examples
        --------
        >>> import numpy as np
        >>> from sevenloops import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4))
        >>> shapes = []
        >>> handle = model[0].register_forward_hook(lambda module, args, result: shapes.append(result.shape))
        >>> y = model(np.zeros((5, 2, 3), np.float32))
        >>> shapes
        [(5, 6)]
        >>> handle.remove()
        """
        return _register(self._forward_hooks, hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Let ``hook(module, grad_input, grad_output)`` be called when gradients have passed through the module.

        Parameters
        ----------
        hook : callable
            It gets two tuples of arrays, which it must not write to: the gradients of the positional arguments and of
            the results, with None for what has no gradient. What it returns, unless None, replaces
            `grad_input`: a tuple of as many entries, or one array as the only one.
        prepend : bool
            Whether it is called before those registered earlier, instead of after them.

        Returns
        -------
        RemovableHandle
            Its ``remove()`` takes the hook away.

        Notes
        -----
        The module must return a Tensor or a tuple: for one that returns a list or dict of Tensors that require
        gradients the hook would never be called, so that raises TypeError.

        Without an argument that requires a gradient it is called with the gradients of the results alone, before
        those of the parameters are computed.

        Examples
        --------
        >>> import numpy as np
        >>> import sevenloops as sl
        >>> layer = sl.nn.ReLU()
        >>> handle = layer.register_full_backward_hook(lambda module, grad_input, grad_output: print(*grad_input))
        >>> x = sl.Tensor(np.array([-1.0, 2.0]), requires_grad=True)
        >>> layer(x).backward(np.array([1.0, 10.0]))
        [ 0. 10.]
        """
        return _register(self._backward_hooks, hook, prepend, False)


def _register(hooks: dict[int, _Hook], function: Any, prepend: Any, with_kwargs: Any) -> RemovableHandle:
    if not callable(function):
        raise TypeError(f"A hook must be a function, but got {function!r}.")
    number = next(_numbers)
    hook = _Hook(function, flag("with_kwargs", with_kwargs))
    if flag("prepend", prepend):
        later = dict(hooks)
        hooks.clear()
        hooks[number] = hook
        hooks.update(later)
    else:
        hooks[number] = hook
    return RemovableHandle(hooks, number)


def _before(
    module: Hooked, hook: _Hook, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments after a pre-hook."""
    if not hook.with_kwargs:
        replaced = hook.function(module, args)
        if replaced is None:
            return args, kwargs
        return (replaced if isinstance(replaced, tuple) else (replaced,)), kwargs
    replaced = hook.function(module, args, kwargs)
    if replaced is None:
        return args, kwargs
    if not isinstance(replaced, tuple) or len(replaced) != 2:
        raise TypeError(f"A pre-hook with kwargs must return (args, kwargs) or None, but got {replaced!r:.100}.")
    return replaced


# --- gradients: gates in the graph ----------------------------------------------------------------------------------
# A hook needs all gradients of the arguments at once, and each comes on its own. So all arguments go through one
# gate, a node of one number, and each comes out by a node of its own. On the way back those nodes put their gradients
# down, and the gate, which is visited after all of them, takes them up.


class _Gate:
    """Tensors that pass together; `passed` is called with their gradients and returns those to carry on."""

    def __init__(self, passed: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> None:
        self.passed = passed
        self.values: tuple[Any, ...] = ()
        self.grads: dict[int, Array] = {}

    def let(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the same values, those that require a gradient as results of the gate."""
        self.values = values
        number = apply(HOOK_GATE, *values, gate=self)
        through = tuple(
            apply(HOOK_EXIT, number, gate=self, index=index) if _wants_gradient(value) else value
            for index, value in enumerate(values)
        )
        self.values = ()  # the gate stays in the graph, and would keep them in memory
        return through


def _gate_forward(*values: Any, gate: _Gate) -> tuple[Array, Any]:
    return np.zeros(()), [(np.shape(value), getattr(value, "dtype", None)) for value in values]


def _gate_vjp(grad: Array, saved: Any, needs: tuple[bool, ...], *, gate: _Gate) -> tuple[Any, ...]:
    grads, gate.grads = gate.grads, {}
    passed = gate.passed(tuple(grads.get(index) for index in range(len(needs))))
    return tuple(
        np.zeros(*kind) if needed and share is None else share for share, needed, kind in zip(passed, needs, saved)
    )


def _exit_forward(number: Any, *, gate: _Gate, index: int) -> tuple[Array, None]:
    return gate.values[index].data, None


def _exit_vjp(grad: Array, saved: None, needs: tuple[bool, ...], *, gate: _Gate, index: int) -> tuple[Array]:
    gate.grads[index] = grad
    return (np.zeros(()),)


#: Attribute: gate.
HOOK_GATE = Operation("hook_gate", _gate_forward, _gate_vjp)
#: Attributes: gate, index.
HOOK_EXIT = Operation("hook_exit", _exit_forward, _exit_vjp)


class _Gates:
    """The gates before and after one call of a module that has backward hooks."""

    def __init__(self, module: Hooked) -> None:
        self.module = module
        self.hooks = list(module._backward_hooks.values())
        self.grad_output: tuple[Any, ...] = ()
        self.entered = False
        self.arguments = 0

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.arguments = len(args)
        self.entered = any(map(_wants_gradient, args))
        return _Gate(self._into_module).let(args) if self.entered else args

    def leave(self, result: Any) -> Any:
        results = result if isinstance(result, tuple) else (result,)
        if not any(map(_wants_gradient, results)):
            hidden = result.values() if isinstance(result, dict) else result if isinstance(result, list) else ()
            if any(map(_wants_gradient, hidden)):
                raise TypeError(
                    f"A module with backward hooks must return a Tensor or a tuple of Tensors, but "
                    f"{type(self.module).__name__} returned a {type(result).__name__}, whose gradients would pass "
                    f"them by; return a tuple, or remove the hooks."
                )
            return result
        through = _Gate(self._out_of_module).let(results)
        if not isinstance(result, tuple):
            return through[0]
        return type(result)(*through) if hasattr(result, "_fields") else through

    def _out_of_module(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        self.grad_output = tuple(map(_read_only, grads))
        if not self.entered:
            self._run((None,) * self.arguments)
        return grads

    def _into_module(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        return self._run(grads)

    def _run(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            replaced = hook.function(self.module, tuple(map(_read_only, grads)), self.grad_output)
            if replaced is not None:
                replaced = replaced if isinstance(replaced, tuple) else (replaced,)
                if len(replaced) != len(grads):
                    raise ValueError(
                        f"A backward hook must return as many gradients as there are arguments, {len(grads)}, "
                        f"but it returned {len(replaced)}."
                    )
                grads = tuple(map(_replacement, grads, replaced))
        return grads


def _wants_gradient(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad and is_grad_enabled()


def _replacement(old: Array | None, new: Any) -> Array | None:
    """Return what a hook has put in the place of a gradient; None stays None."""
    if old is None or new is None:
        return None
    array = np.asarray(new.data if isinstance(new, Tensor) else new, old.dtype)
    if array.shape != old.shape:
        raise ShapeError(
            f"A backward hook must return gradients of their arguments' shapes, but it returned {array.shape} in the "
            f"place of {old.shape}."
        )
    return array


def _read_only(gradient: Array | None) -> Array | None:
    if gradient is None:
        return None
    view = gradient.view()
    view.flags.writeable = False
    return view
