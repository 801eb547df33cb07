"""What all optimizers share: groups of parameters, their state, and the walk over them that makes a step."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

from sevenloops import backends
from sevenloops.arrays import DTYPES, Array, compute_dtype
from sevenloops.autograd import Tensor, enable_grad, note_change
from sevenloops.errors import ShapeError
from sevenloops.optim.execute import Executor, fits, zeros
from sevenloops.optim.options import not_negative
from sevenloops.optim.update import Update

__all__ = ["Optimizer", "Params"]

Params: TypeAlias = Iterable[Tensor] | Iterable[Mapping[str, Any]]

_INITIAL = "initial_lr"  # the one entry of a group that is no option


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
        Per parameter that has made a step: "step", how many (where the update counts them), and the arrays that the
        update keeps, in the parameter's memory order. Those of float16 parameters are float32.

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
        self._executor = Executor()
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
            if name not in (*self.update.options, _INITIAL):
                raise ValueError(f"An option must be one of {', '.join(self.update.options)}, but got {name!r}.")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for place, parameter in enumerate(params):
            _check_parameter(parameter, place)
            if id(parameter) in known:
                raise ValueError(f"A parameter must be given once, but params[{place}] is there twice.")
            known.add(id(parameter))
        self.param_groups.append({"params": params, **_initial(given), **self.update.checked(self.defaults | given)})

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
        changes = []
        for group in self.param_groups:
            options = self.update.checked(group)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    _check_gradient(parameter, parameter.grad)
                    changes.append((parameter, parameter.grad, options))
        if "jit" in backends.usable() and "jit" in backends.backends_of(self.update.name, "steps"):
            prepared = [(*change, *self._prepare(change[0], change[2])) for change in changes]
            steps = backends.kernel(self.update.name, "steps", "jit")
            left = steps(
                [(p.data, g, tuple(buffers.values()), count, first, o) for p, g, o, buffers, count, first in prepared]
            )
            remaining = [prepared[number] for number in left]
            kernel = backends.kernel(self.update.name, "step", "numpy")
        else:
            remaining = [(*change, *self._prepare(change[0], change[2])) for change in changes]
            kernel = backends.find(self.update.name, "step")
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite stays so, and shows
            for parameter, gradient, options, buffers, count, first in remaining:
                work = self.update.work
                self._executor.run(kernel, parameter.data, gradient, buffers, work, count, first, options)
        return result

    def _prepare(self, parameter: Tensor, options: Mapping[str, Any]) -> tuple[dict[str, Array], int, bool]:
        """Return buffers, which are made where they are missing, the number of the step, and whether all are new."""
        names = self.update.buffers(options)
        state = self.state.get(parameter)
        if state is None:
            state = {"step": 0} if self.update.counts else {}
            if state or names:
                self.state[parameter] = state
        if self.update.counts:
            state["step"] += 1
        first = not any(name in state for name in names)
        for name in names:
            if name not in state:
                state[name] = zeros(parameter.data)
            elif not fits(state[name], parameter.data):  # the parameter has been given an array of another order
                kept, state[name] = state[name], zeros(parameter.data)
                np.copyto(state[name], kept)
        buffers = {name: state[name] for name in names}
        note_change(parameter)
        return buffers, (state or {}).get("step", 0), first

    # --- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the state and the options; parameters are numbered in the order of the groups.

        Returns
        -------
        dict
            "state": per number of a parameter, its state; "param_groups": the options, and the numbers as "params".
            That is PyTorch's form. Beside the arrays there are plain values only, so that the arrays can go into one
            file and the rest into JSON; `load_state_dict` takes what comes back, where numbers have become text.
        """
        numbers = {p: number for number, p in enumerate(self._parameters())}
        state = {
            numbers[p]: {name: _copied(value) for name, value in kept.items()}
            for p, kept in self.state.items()
            if p in numbers
        }
        groups = [
            {name: _copied(value) for name, value in group.items() if name != "params"}
            | {"params": [numbers[p] for p in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state and options, all or nothing; the parameters must be those of before, in their order.

        Parameters
        ----------
        state_dict : mapping
            As `state_dict` returns it, or PyTorch's optimizer of that name with its tensors made arrays. Entries of
            groups that are not options here, "initial_lr" apart, are left out.

        Raises
        ------
        TypeError, ValueError
            If it is not of that form, or the groups, options or shapes do not fit.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= state_dict.keys():
            raise TypeError(f'A state must be a dict with "state" and "param_groups", but got {state_dict!r:.100}.')
        groups = state_dict["param_groups"]
        if not isinstance(groups, (list, tuple)) or not all(isinstance(g, Mapping) and "params" in g for g in groups):
            raise TypeError(f'"param_groups" of a state must be dicts with "params", but got {groups!r:.100}.')
        if not isinstance(state_dict["state"], Mapping):
            raise TypeError(f'"state" of a state must be a dict, but got {state_dict["state"]!r:.100}.')
        sizes = [len(group["params"]) for group in self.param_groups]
        given = [len(group["params"]) for group in groups]
        if given != sizes:
            raise ValueError(f"A state must be of groups of {sizes} parameters, but it is of {given}.")
        missing = {name for name in self.update.options for group in groups if name not in group}
        if missing:
            raise ValueError(f"A state must have every option, but it lacks {', '.join(sorted(missing))}.")
        taken = [self.update.checked(group) for group in groups]
        owners = {
            str(number): (parameter, self.update.buffers(options))
            for group, own, options in zip(groups, self.param_groups, taken)
            for number, parameter in zip(group["params"], own["params"])
        }
        state = {}
        for number, kept in state_dict["state"].items():
            if str(number) not in owners:
                raise ValueError(f"A state must be of one of {len(owners)} parameters, but one is of {number!r}.")
            parameter, names = owners[str(number)]
            state[parameter] = self._fitting(kept, number, parameter, names)
        self.state = state
        for own, group, options in zip(self.param_groups, groups, taken):
            own.update(_initial(group) | options)

    def _fitting(self, kept: Any, number: Any, parameter: Tensor, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the state of one parameter, checked; arrays are copied."""
        if not isinstance(kept, Mapping):
            raise TypeError(f"The state of parameter {number} must be a dict, but got {kept!r:.100}.")
        state = {name: _fitting_entry(name, value, parameter) for name, value in kept.items() if value is not None}
        needed = {"step", *names} if self.update.counts else set()
        if needed - state.keys():
            raise ValueError(
                f"The state of parameter {number} must have {', '.join(sorted(needed))}, "
                f"but it lacks {', '.join(sorted(needed - state.keys()))}."
            )
        return state

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


def _check_gradient(parameter: Tensor, gradient: Any) -> None:
    if not isinstance(gradient, np.ndarray):
        raise TypeError(
            f"A gradient must be an array, but that of a parameter of shape {parameter.shape} is a "
            f"{type(gradient).__name__}; assign an array to .grad, as tensor.numpy() returns it."
        )
    if gradient.shape != parameter.shape:
        raise ShapeError(
            f"A gradient must have its parameter's shape {parameter.shape}, but its shape is {gradient.shape}; "
            f"zero_grad() forgets gradients of another shape."
        )


# --- entries of a state ------------------------------------------------------------------------------------------


def _copied(value: Any) -> Any:
    """Return a copy of an array, and anything else as a plain value."""
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    return value.item() if isinstance(value, np.generic) else value


def _initial(group: Mapping[str, Any]) -> dict[str, float]:
    """Return the entry of a group in which schedules keep the learning rate they started from, if it is there."""
    return {_INITIAL: not_negative(_INITIAL, group[_INITIAL])} if _INITIAL in group else {}


def _fitting_entry(name: str, value: Any, parameter: Tensor) -> Any:
    """Return one entry of a parameter's state, checked; arrays are copied."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be an array of numbers, but got {value!r:.100}.")
    if name == "step":
        if array.shape or not array >= 0 or array != np.floor(array) or not np.isfinite(array):
            raise ValueError(f"step must be an integer of at least 0, but got {value!r:.100}.")
        return int(array)
    if array.shape != parameter.shape:
        raise ShapeError(
            f"{name} must have the shape of its parameter, {parameter.shape}, but its shape is {array.shape}."
        )
    return np.array(array, compute_dtype(parameter.dtype), order="K")
