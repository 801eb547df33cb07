"""Check gradients numerically: of the operations of this library, or of your own."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike, float_array
from sevenloops.autograd import Tensor, enable_grad, grad, no_grad

__all__ = ["GradientError", "check_gradients"]

# J is the Jacobian of the function at x. For a random cotangent u and a random direction v both of
#
#     <v, Jᵀu>  (what backward computes)     and     <u, (f(x + h·v) - f(x - h·v)) / 2h>  (two evaluations, any size)
#
# are the same number. If the gradient is off by δ, they differ by <v, δ>, of the size of ‖δ‖ for normal v: so a
# difference is judged against the norm of the gradient, and not against an absolute number, which would pass any
# gradient of a function with small values. h is relative to the size of the argument for the same reason.
#
# Several results count as one long one. Gradient rules see cotangents that lie in memory in many ways (what comes
# back from a sum has strides of 0), so the same numbers must give the same gradients there too.
#
# No step suits every function: a small one drowns in rounding, a large one meets curvature and kinks. A right
# gradient agrees with the difference for some step, a wrong one for none, so others are tried before an error.

_ROUNDS = 2  # random pairs (u, v)
_ELEMENTS = 4  # random elements of each argument that are checked one by one
_FACTORS = (1.0, 10.0, 100.0, 1000.0)
_ROUNDING = 32 * float(np.finfo(np.float64).eps)


class GradientError(AssertionError):
    """A gradient that is not the derivative; the message names argument and index, and has both values."""


def check_gradients(
    function: Callable[..., Any],
    *arrays: ArrayLike,
    rtol: float = 1e-6,
    eps: float = 1e-6,
    seed: int | np.random.Generator | None = 0,
) -> None:
    """Compare the gradients that a function's backward pass computes with central differences, in float64.

    Every argument is tested along random directions, for random cotangents, and at some of its elements. On a
    difference the arguments are searched for an element that is wrong. The arguments and the cotangent are read-only
    while the function and its gradients run, so a kernel that writes to them fails. Cotangents of strides 0, and with
    axes that run backwards in memory, must give the gradients of contiguous ones.

    Parameters
    ----------
    function : callable
        Called with one Tensor per array; returns a Tensor, or a tuple or list, in which each Tensor that requires a
        gradient is checked. It must return the same each time, and be differentiable at the arrays: no ReLU input
        within 1e-5 of 0, no ties in a maximum. Bind everything else (labels, options) beforehand.
    *arrays : array_like
        Floats; converted to float64. Zeros and numbers that are all alike hide mistakes: pass random ones.
    rtol : float, default 1e-6
        Largest difference, relative to the norm of the argument's gradient.
    eps : float, default 1e-6
        Step, relative to the root mean square of each argument. Others are tried before an error is raised.
    seed : int, numpy.random.Generator or None, default 0
        Of the random choices; None means fresh ones.

    Raises
    ------
    GradientError
        If a gradient is wrong; it names the argument, the index, and both values.
    TypeError
        If an array is not of floats, or the function does not return a Tensor that requires a gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import sevenloops as sl
    >>> from sevenloops.testing import check_gradients
    >>> x = np.random.default_rng(0).standard_normal((3, 5))
    >>> check_gradients(lambda x: sl.softmax(x, dim=1), x)

    References
    ----------
    A. Griewank and A. Walther, "Evaluating Derivatives", 2nd ed., SIAM 2008, section 3.2.
    """
    points = [np.array(float_array(f"arrays[{i}]", array), np.float64) for i, array in enumerate(arrays)]
    rng = np.random.default_rng(seed)
    for round_ in range(_ROUNDS):
        check = _Check(function, points, rng, rtol, eps)
        for argument, point in enumerate(points):
            if point.size:
                check.along_direction(argument)
                check.at_elements(argument)
        if not round_:
            check.in_other_memory()


class _Check:
    """The gradients for one random cotangent, to be compared with differences along directions."""

    def __init__(
        self, function: Callable[..., Any], points: list[Array], rng: np.random.Generator, rtol: float, eps: float
    ) -> None:
        self.function, self.points, self.rng, self.rtol = function, points, rng, rtol
        for point in points:
            point.flags.writeable = False
        self.places: list[int] = []  # of the results that are checked, where there are several
        tensors, results = self.run()
        self.cotangents = [rng.standard_normal(result.shape) for result in results]
        for cotangent in self.cotangents:
            cotangent.flags.writeable = False
        self.gradients = _gradients(tensors, results, self.cotangents)
        self.steps = [_steps(eps, point) for point in points]
        # Results are known to about their last digits; a quotient of differences to those, divided by the step.
        products = [u * result.data for u, result in zip(self.cotangents, results)]
        self.rounding = _ROUNDING * float(np.sqrt(sum(float((p * p).sum()) for p in products)))
        self.noise = [self.rounding / max(steps) for steps in self.steps]

    def run(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the arguments, and the results that are checked with their history; note where they are."""
        tensors = [Tensor(point, requires_grad=True) for point in self.points]
        with enable_grad():
            returned = self.function(*tensors)
        entries = _entries(returned)
        self.places = [i for i, entry in enumerate(entries) if isinstance(entry, Tensor) and entry.requires_grad]
        if not self.places:
            raise TypeError(
                f"check_gradients needs a function that computes a Tensor from its Tensors, but it returned "
                f"{'a Tensor without history' if isinstance(returned, Tensor) else type(returned).__name__}; "
                f"compute with the Tensors themselves, not with their arrays."
            )
        return tensors, [entries[place] for place in self.places]

    def along_direction(self, argument: int) -> None:
        """Compare along a random direction, and search for a wrong element if the gradient fails."""
        gradient = self.gradients[argument]
        direction = self.rng.standard_normal(gradient.shape)
        tolerance = self.rtol * float(np.linalg.norm(gradient))
        if not self.agrees(argument, direction, tolerance):
            raise self.error(argument, self.wrong_element(argument, direction))

    def at_elements(self, argument: int) -> None:
        """Compare random elements one by one: mistakes in elements so small that the norm does not show them."""
        gradient = self.gradients[argument]
        for element in self.rng.choice(gradient.size, min(_ELEMENTS, gradient.size), replace=False):
            index = _index(int(element), gradient.shape)
            tolerance = self.rtol * (abs(float(gradient[index])) + 1e-3 * _root_mean_square(gradient))
            if not self.agrees(argument, _unit(index, gradient.shape), tolerance):
                raise self.error(argument, index)

    def in_other_memory(self) -> None:
        """Compare the gradients for cotangents of the same numbers that lie otherwise in memory."""
        constants = [np.broadcast_to(self.rng.standard_normal(), u.shape) for u in self.cotangents]
        for what, cotangents, expected in (
            ("of strides 0", constants, _gradients(*self.run(), [u.copy() for u in constants])),
            ("that runs backwards in memory", [_backwards(u) for u in self.cotangents], self.gradients),
        ):
            for argument, (gradient, right) in enumerate(zip(_gradients(*self.run(), cotangents), expected)):
                size = _root_mean_square(self.points[argument])
                allowed = self.rtol * float(np.linalg.norm(right)) + (self.rounding / size if size else 0)
                wrong = ~(np.abs(gradient - right) <= allowed)
                if wrong.any():
                    index = _index(int(wrong.argmax()), right.shape)
                    raise GradientError(
                        f"The gradient of argument {argument} must not depend on the memory of the cotangent, but at "
                        f"index {index} backward gives {gradient[index]:.12g} for one {what} and {right[index]:.12g} "
                        f"for the same numbers in the usual order."
                    )

    def agrees(self, argument: int, direction: Array, tolerance: float) -> bool:
        """Whether <direction, gradient> is the numerical derivative for some step."""
        analytic = float((direction * self.gradients[argument]).sum())
        allowed = tolerance + self.noise[argument]
        return any(
            abs(analytic - self.numerical(argument, direction, step)) <= allowed for step in self.steps[argument]
        )

    def numerical(self, argument: int, direction: Array, step: float) -> float:
        """Return <u, J·direction> by a central difference."""
        results = []
        for sign in (1, -1):
            moved = list(self.points)
            moved[argument] = np.asarray(self.points[argument] + sign * step * direction)
            moved[argument].flags.writeable = False
            with no_grad():
                entries = _entries(self.function(*map(Tensor, moved)))
                results.append([entries[place].data for place in self.places])
        differences = zip(self.cotangents, *results)
        return sum(float((u * (after - before)).sum()) for u, after, before in differences) / (2 * step)

    def nearest(self, argument: int, direction: Array) -> tuple[float, float]:
        """Return <direction, gradient>, and the numerical derivative with the step that comes nearest to it."""
        analytic = float((direction * self.gradients[argument]).sum())
        candidates = [self.numerical(argument, direction, step) for step in self.steps[argument]]
        return analytic, min(candidates, key=lambda numerical: abs(analytic - numerical))

    def wrong_element(self, argument: int, direction: Array) -> tuple[int, ...]:
        """Return the index of an element that contributes to a difference, halving the direction each time."""
        elements = np.arange(direction.size)
        while elements.size > 1:
            halves = np.array_split(elements, 2)
            errors = []
            for half in halves:
                part = np.zeros(direction.size)
                part[half] = direction.ravel()[half]
                analytic, numerical = self.nearest(argument, part.reshape(direction.shape))
                errors.append(abs(analytic - numerical))
            elements = halves[0] if not errors[0] < errors[1] else halves[1]  # NaN in the first half is found there
        return _index(int(elements[0]), direction.shape)

    def error(self, argument: int, index: tuple[int, ...]) -> GradientError:
        """Return the exception that shows one element of an argument's gradient."""
        analytic, numerical = self.nearest(argument, _unit(index, self.points[argument].shape))
        return GradientError(
            f"The gradient of argument {argument} must equal the derivative, but at index {index} backward gives "
            f"{analytic:.12g} and the central difference {numerical:.12g}."
        )


def _gradients(tensors: list[Tensor], results: list[Tensor], cotangents: Sequence[Array]) -> list[Array]:
    gradients = grad(results, tensors, list(cotangents), allow_unused=True)
    return [np.zeros_like(t.data) if g is None else g.data for t, g in zip(tensors, gradients)]


def _entries(returned: Any) -> Sequence[Any]:
    return returned if isinstance(returned, (tuple, list)) else (returned,)


def _backwards(array: Array) -> Array:
    """Return a read-only array of the same numbers, in memory with the first axis adjacent and each axis reversed."""
    reverse: tuple[Any, ...] = (..., *(slice(None, None, -1),) * array.ndim)
    copy: Array = np.array(array[reverse], order="F")[reverse]
    copy.flags.writeable = False
    return copy


def _steps(eps: float, point: Array) -> list[float]:
    """Return the steps to try, the preferred one first: relative to the argument's size, then absolute."""
    size = _root_mean_square(point)
    relative = [eps * size * factor for factor in _FACTORS] if size else []
    return [*relative, eps, 100 * eps]


def _root_mean_square(array: Array) -> float:
    return float(np.linalg.norm(array) / np.sqrt(max(array.size, 1)))


def _index(element: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(element, shape))


def _unit(index: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    unit = np.zeros(shape)
    unit[index] = 1
    return unit
