"""Gradient cases of the losses."""

import numpy as np

import sevenloops as sl


def cross_entropy(shape, **options):
    def make(rng):
        labels = rng.integers(shape[1], size=(shape[0], *shape[2:]))
        labels.flat[0] = 0
        weight = rng.uniform(0.5, 2, shape[1])

        def function(x):
            return sl.cross_entropy(x, labels, weight.astype(np.float16).astype(x.dtype), **options)

        return function, [rng.standard_normal(shape)]

    return make


def probability_cross_entropy(**options):
    def make(rng):
        return lambda x, target: sl.cross_entropy(x, target, **options), [
            rng.standard_normal((4, 3)),
            rng.dirichlet([1, 1, 1], 4),
        ]

    return make


CASES = {
    f"cross_entropy, {reduction}": cross_entropy((4, 3), reduction=reduction) for reduction in ("mean", "sum", "none")
}
CASES |= {
    "cross_entropy of images": cross_entropy((2, 3, 2, 2), label_smoothing=0.25),
    "cross_entropy with ignored classes": cross_entropy((4, 3), ignore_index=0),
    "cross_entropy with probabilities": probability_cross_entropy(),
    "cross_entropy with smoothed probabilities": probability_cross_entropy(reduction="none", label_smoothing=0.25),
}
CASES |= {
    f"mse_loss, {reduction}": lambda rng, reduction=reduction: (
        lambda x, y: sl.mse_loss(x, y, reduction=reduction),
        [rng.standard_normal((3, 4)), rng.standard_normal((3, 4))],
    )
    for reduction in ("mean", "sum", "none")
}
