"""What all optimizers share: groups of parameters, their state, and the walk over them that makes a step."""

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any, ClassVar, TypeAlias

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import DTYPES, Array, compute_dtype
from sevenloops.autograd import Tensor, enable_grad
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import integer
from sevenloops.optim.update import Update

__all__ = ["Optimizer", "Params"]

Params: TypeAlias = Iterable[Tensor] | Iterable[Mapping[str, Any]]


class Optimizer:
    """Base of all optimizers: a subclass names its `update` and its options.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or groups of it, each with options of its own.
    defaults : dict
        The options of groups that do not give their own.

    Attributes
    ----------
    param_groups : list of dict
        "params" and every option by name; a schedule may change the options between steps.
    state : dict
        Per parameter that has made a step: "step", how many, and the arrays that the update keeps. Those of float16
        parameters are float32.

    Raises
    ------
    TypeError
        If a parameter is not a Tensor, or an option is of the wrong type.
    ValueError
        If there is no parameter, one is there twice or is the result of an operation, or an option is unknown or out
        of range.
    """

    update: ClassVar[Update]

    def __init__(self, params: Params, defaults: Mapping[str, Any]) -> None:
        if isinstance(params, (Tensor, Mapping)):
            raise TypeError(f"params must be an iterable, but got a {type(params).__name__}; put it into a list.")
        self.defaults = self.update.checked(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._work: dict[np.dtype[Any], Array] = {}
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError(f"{type(self).__name__} needs something to change, but params is empty.")
        for group in entries if isinstance(entries[0], Mapping) else [{"params": entries}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own, for example layers that are thawed later.

        Parameters
        ----------
        param_group : mapping
            "params": a Tensor or an iterable of them; and options, where they are not the defaults.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f'A parameter group must be a dict with "params", but got {param_group!r:.100}.')
        given = {name: value for name, value in param_group.items() if name != "params"}
        for name in given:
            if name not in self.update.options:
                raise ValueError(f"An option must be one of {', '.join(self.update.options)}, but got {name!r}.")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for place, parameter in enumerate(params):
            _check_parameter(parameter, place)
            if id(parameter) in known:
                raise ValueError(f"A parameter must be given once, but params[{place}] is there twice.")
            known.add(id(parameter))
        self.param_groups.append({"params": params, **self.update.checked(self.defaults | given)})

    # --- steps ---------------------------------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or overwrite them with zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad = np.zeros_like(parameter.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, in place.

        Parameters
        ----------
        closure : callable, optional
            Called first, with gradients enabled: it computes the loss and its gradients anew.

        Returns
        -------
        What the closure returns, or None.

        Raises
        ------
        ShapeError
            If a gradient does not have its parameter's shape.
        TypeError, ValueError
            If an option has been changed to something out of range.
        """
        result = None
        if closure is not None:
            with enable_grad():
                result = closure()
        for group in self.param_groups:
            options = self.update.checked(group)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._change(parameter, parameter.grad, options)
        return result

    def _change(self, parameter: Tensor, gradient: Array, options: Mapping[str, Any]) -> None:
        data = parameter.data
        if gradient.shape != data.shape:
            raise ShapeError(
                f"A gradient must have its parameter's shape {data.shape}, but its shape is {gradient.shape}; "
                f"zero_grad() forgets gradients of another shape."
            )
        dtype = compute_dtype(data.dtype)
        state = self.state.setdefault(parameter, {"step": 0})
        state["step"] += 1
        buffers = {}
        for name in self.update.buffers(options):
            if name not in state:
                state[name] = np.zeros_like(data, dtype)
            buffers[name] = state[name]
        work = self._workspace(data.shape, dtype)
        wide = data.astype(dtype, copy=False)
        self.update.step(wide, gradient.astype(dtype, copy=False), buffers, work, state["step"], options)
        if wide is not data:
            np.copyto(data, wide, casting="same_kind")

    def _workspace(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> list[Array]:
        """Return arrays to work in, views of a buffer that is as large as the largest parameter so far needs."""
        size = prod(shape)
        buffer = self._work.get(dtype)
        if buffer is None or buffer.shape[1] < size:
            buffer = self._work[dtype] = runtime.empty((self.update.work, size), dtype)
        return [row[:size].reshape(shape) for row in buffer]

    # --- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the state and the options; parameters are numbered in the order of the groups.

        Returns
        -------
        dict
            "state": per number of a parameter, its state; "param_groups": the options, and the numbers as "params".
        """
        numbers = {p: number for number, p in enumerate(self._parameters())}
        state = {numbers[p]: {name: _copied(value) for name, value in kept.items()} for p, kept in self.state.items()}
        groups = [group | {"params": [numbers[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state and options, all or nothing; the parameters must be those of before, in their order.

        Parameters
        ----------
        state_dict : mapping
            As `state_dict` returns it.

        Raises
        ------
        TypeError, ValueError
            If it is not of that form, or the groups, options or shapes do not fit.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= state_dict.keys():
            raise TypeError(f'A state must be a dict with "state" and "param_groups", but got {state_dict!r:.100}.')
        sizes = [len(group["params"]) for group in self.param_groups]
        given = [len(group["params"]) for group in state_dict["param_groups"]]
        if given != sizes:
            raise ValueError(f"A state must be of groups of {sizes} parameters, but it is of {given}.")
        missing = {name for name in self.update.options for group in state_dict["param_groups"] if name not in group}
        if missing:
            raise ValueError(f"A state must have every option, but it lacks {', '.join(sorted(missing))}.")
        options = [self.update.checked(group) for group in state_dict["param_groups"]]
        parameters = self._parameters()
        state = {}
        for number, kept in state_dict["state"].items():
            if number not in range(len(parameters)):
                raise ValueError(f"A state must be of one of {len(parameters)} parameters, but one is of {number!r}.")
            parameter = parameters[number]
            state[parameter] = {name: _fitting(name, value, parameter) for name, value in kept.items()}
        self.state = state
        for group, taken in zip(self.param_groups, options):
            group.update(taken)

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(self.update.options)]
        return "\n".join([*lines, ")"])


def _check_parameter(parameter: Any, place: int) -> None:
    if not isinstance(parameter, Tensor):
        raise TypeError(f"params must be Tensors, but params[{place}] is a {type(parameter).__name__}.")
    if not parameter.is_leaf:
        raise ValueError(f"A parameter must be a leaf, but params[{place}] is the result of an operation; detach it.")
    if parameter.dtype not in DTYPES:
        raise TypeError(f"A parameter must be float16, float32 or float64, but params[{place}] is {parameter.dtype}.")


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _fitting(name: str, value: Any, parameter: Tensor) -> Any:
    """Return one entry of a parameter's state, checked; arrays are copied."""
    if name == "step":
        return integer("step", value, 0)
    array = np.array(value, compute_dtype(parameter.dtype))
    if array.shape != parameter.shape:
        raise ShapeError(
            f"{name} must have the shape of its parameter, {parameter.shape}, but its shape is {array.shape}."
        )
    return array
