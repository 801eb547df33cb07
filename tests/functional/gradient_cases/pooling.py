"""Gradient cases of pooling."""

import numpy as np

import sevenloops as sl


def pooling(function, shape, *arguments, **parameters):
    def make(rng):
        x = rng.permutation(np.prod(shape)).reshape(shape) / 64 - 1  # no ties, in float16 neither
        return lambda x: getattr(sl, function)(x, *arguments, **parameters), [x]

    return make


CASES = {
    f"{kind}_pool{axes}d {rest}": pooling(f"{kind}_pool{axes}d", (2, 3, *size), *arguments, **parameters)
    for kind in ("max", "avg")
    for axes, size in ((1, (9,)), (2, (6, 7)), (3, (4, 5, 3)))
    for rest, arguments, parameters in (
        ("of windows side by side", (2,), {}),
        ("of windows that overlap", (3,), {"stride": 2, "padding": 1}),
    )
}
CASES |= {
    f"adaptive_{kind}_pool{axes}d": pooling(f"adaptive_{kind}_pool{axes}d", (2, 3, *size), 3)
    for kind in ("max", "avg")
    for axes, size in ((1, (7,)), (2, (5, 4)), (3, (4, 3, 5)))
}
CASES |= {
    f"global_{kind}_pool{axes}d": pooling(f"global_{kind}_pool{axes}d", (2, 3, *size))
    for kind in ("max", "avg")
    for axes, size in ((1, (7,)), (2, (5, 4)), (3, (4, 3, 5)))
}
CASES["max_pool2d with indices"] = lambda rng: (
    lambda x: sl.max_pool2d(x, 2, return_indices=True),
    [rng.permutation(36).reshape(1, 1, 6, 6) / 8],
)
