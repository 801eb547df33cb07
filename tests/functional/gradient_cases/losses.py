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


def nll(shape, **options):
    def make(rng):
        labels = rng.integers(shape[1], size=(shape[0], *shape[2:]))
        labels.flat[0] = 0
        weight = rng.uniform(0.5, 2, shape[1])

        def function(x):
            return sl.nll_loss(x, labels, weight.astype(np.float16).astype(x.dtype), **options)

        return function, [rng.standard_normal(shape)]

    return make


def distance(function, kinks=(), **options):
    """Return a case whose differences are of both signs, in each piece, and at no kink."""

    def make(rng):
        pieces = np.array([0, *kinks, 2 + max(kinks, default=0)])
        piece = rng.integers(len(pieces) - 1, size=(3, 4))
        share = rng.uniform(0.2, 0.8, (3, 4))
        differences = (pieces[piece] * (1 - share) + pieces[piece + 1] * share) * rng.choice([-1, 1], (3, 4))
        target = rng.integers(-8, 8, (3, 4)) / 8
        return lambda x, y: function(x, y, **options), [target + differences, target]

    return make


def binary(function, inputs, weights=(), **options):
    """Return a case with probabilities as the target; `weights` has the names of the factors of the classes."""

    def make(rng):
        factors = {name: rng.uniform(0.5, 2, 4) for name in weights}

        def loss(x, y):
            given = {name: factor.astype(np.float16).astype(x.dtype) for name, factor in factors.items()}
            return function(x, y, **given, **options)

        return loss, [inputs(rng, (3, 4)), rng.uniform(0.1, 0.9, (3, 4))]

    return make


def logits(rng, shape):
    return rng.standard_normal(shape) * 2


def probabilities(rng, shape):
    return rng.uniform(0.1, 0.9, shape)


def kl_div(rng, reduction, log_target):
    x, target = np.log(rng.dirichlet(np.ones(4), 3)), rng.dirichlet(np.ones(4) * 4, 3)
    return (
        lambda x, y: sl.kl_div(x, y, reduction=reduction, log_target=log_target),
        [x, np.log(target) if log_target else target],
    )


WITH_LOGITS = sl.binary_cross_entropy_with_logits
CASES |= {
    "nll_loss": nll((4, 3)),
    "nll_loss of images": nll((2, 3, 2, 2), reduction="sum"),
    "nll_loss with ignored classes": nll((4, 3), ignore_index=0),
    "l1_loss": distance(sl.l1_loss),
    "smooth_l1_loss": distance(sl.smooth_l1_loss, (0.5,), beta=0.5),
    "smooth_l1_loss of each": distance(sl.smooth_l1_loss, (1,), reduction="none"),
    "huber_loss": distance(sl.huber_loss, (1.5,), delta=1.5),
    "binary_cross_entropy_with_logits": binary(WITH_LOGITS, logits),
    "binary_cross_entropy_with_logits, weighted": binary(WITH_LOGITS, logits, ("weight", "pos_weight")),
    "binary_cross_entropy_with_logits of each": binary(WITH_LOGITS, logits, ("pos_weight",), reduction="none"),
    "binary_cross_entropy": binary(sl.binary_cross_entropy, probabilities),
    "binary_cross_entropy, weighted": binary(sl.binary_cross_entropy, probabilities, ("weight",), reduction="sum"),
}
CASES |= {
    f"kl_div, {reduction}, log_target={log_target}": lambda rng, reduction=reduction, log_target=log_target: kl_div(
        rng, reduction, log_target
    )
    for reduction in ("mean", "batchmean", "none")
    for log_target in (False, True)
}
CASES |= {
    f"mse_loss, {reduction}": lambda rng, reduction=reduction: (
        lambda x, y: sl.mse_loss(x, y, reduction=reduction),
        [rng.standard_normal((3, 4)), rng.standard_normal((3, 4))],
    )
    for reduction in ("mean", "sum", "none")
}
