"""Gradient cases of sums, means, products, variances, norms and extremes over axes."""

import numpy as np

import sevenloops as sl

WHERE = {
    "all": ((2, 3), None, False),
    "the first axis": ((3, 4), 0, False),
    "the last axis, kept": ((2, 3, 4), -1, True),
    "two axes": ((2, 3, 4), (2, 0), False),
    "two axes, kept": ((2, 3, 4), (0, 1), True),
    "an axis of one element": ((3, 1), 1, False),
    "a vector": ((5,), 0, False),
    "0 axes": ((), None, False),
    "nothing to the left": ((0, 3), 1, False),
}


def positive(rng, shape):
    return rng.uniform(0.5, 2, shape)


def apart(rng, shape):
    return (rng.permutation(int(np.prod(shape))).reshape(shape) + 1) / 8


def reduction(function, numbers, shape, dim, keepdim, **options):
    return lambda rng: (lambda x: function(x, dim=dim, keepdim=keepdim, **options), [numbers(rng, shape)])


CASES = {
    f"{name} over {where}": reduction(getattr(sl, name), positive, *arguments)
    for name in ("sum", "mean", "prod", "logsumexp", "vector_norm")
    for where, arguments in WHERE.items()
}
CASES |= {
    f"{name} over {where}, correction {correction}": reduction(
        getattr(sl, name), positive, *arguments, correction=correction
    )
    for name in ("var", "std")
    for where, arguments in WHERE.items()
    for correction in (0, 1, 0.5)
    if where not in ("0 axes", "an axis of one element")
}
CASES |= {
    f"vector_norm of order {order}": reduction(sl.vector_norm, apart, (3, 4), 1, False, ord=order)
    for order in (0, 0.5, 1, 1.5, 3, -1, -2, np.inf, -np.inf)
}
CASES |= {
    f"{name} over {where}": reduction(getattr(sl, name), apart, *arguments)
    for name in ("amax", "amin")
    for where, arguments in WHERE.items()
}
CASES |= {
    f"{name} over {where}": reduction(getattr(sl, name), apart, *arguments)
    for name in ("max", "min")
    for where, arguments in WHERE.items()
    if not isinstance(arguments[1], tuple)
}
CASES |= {
    f"cumsum along axis {dim}": lambda rng, dim=dim: (lambda x: sl.cumsum(x, dim), [rng.standard_normal((2, 3, 2))])
    for dim in range(3)
}
CASES["prod with a zero"] = lambda rng: (lambda x: sl.prod(x, 1), [positive(rng, (3, 4)) * [[0, 1, 1, 1]]])
CASES["sum of a product"] = lambda rng: (lambda x, y: (x * y).sum(), [positive(rng, (3, 4)), positive(rng, (4,))])
