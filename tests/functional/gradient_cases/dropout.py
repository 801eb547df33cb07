"""Gradient cases of dropout: with a seed the mask is the same in each evaluation."""

import sevenloops as sl


def dropout(function, shape, **options):
    return lambda rng: (lambda x: function(x, rng=7, **options), [rng.standard_normal(shape)])


CASES = {
    "dropout": dropout(sl.dropout, (3, 5)),
    "dropout of few": dropout(sl.dropout, (3, 2, 4), p=0.25),
    "dropout1d": dropout(sl.dropout1d, (2, 3, 4)),
    "dropout2d": dropout(sl.dropout2d, (2, 3, 2, 2)),
    "dropout3d": dropout(sl.dropout3d, (4, 2, 2, 2)),
    "alpha_dropout": dropout(sl.alpha_dropout, (3, 5), training=True),
}
