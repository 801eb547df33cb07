import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.data.sampling import draw_per_class
from sevenloops.errors import ShapeError


@given(labels=st.lists(st.integers(0, 4), max_size=60), seed=st.integers(0, 2**40), data=st.data())
def test_as_many_of_each_class_as_asked_for(labels, seed, data):
    labels = np.array(labels, np.int64)
    counts = [data.draw(st.integers(0, int((labels == label).sum()))) for label in range(5)]
    chosen = draw_per_class(labels, counts, seed)
    assert chosen.dtype == bool
    assert chosen.shape == labels.shape
    for label, count in enumerate(counts):
        assert sum(bool(c) for c, own in zip(chosen, labels) if own == label) == count
    np.testing.assert_array_equal(draw_per_class(labels, counts, seed), chosen)


def test_every_sample_of_a_class_is_as_likely():
    labels = np.array([0, 1] * 10)
    often = sum(draw_per_class(labels, [5, 2], seed).astype(int) for seed in range(4000))
    # Binomial with p = 1/2 and 1/5: mean 2000 and 800, standard deviations 32 and 25.
    assert abs(often[0::2] - 2000).max() < 5 * 32
    assert abs(often[1::2] - 800).max() < 5 * 25


def test_the_choice_is_the_same_in_every_version():
    # By hand, from the documented stream of PCG64: the smallest two keys of each class.
    labels = [0, 1, 1, 0, 1, 0, 0, 1]
    keys = np.random.PCG64(7).random_raw(8).tolist()
    for label in (0, 1):
        members = [i for i in range(8) if labels[i] == label]
        smallest = sorted(members, key=lambda i: keys[i])[:2]
        chosen = draw_per_class(np.array(labels), [2 * (label == 0), 2 * (label == 1)], 7)
        assert np.flatnonzero(chosen).tolist() == sorted(smallest)


def test_too_few_samples_are_named():
    with pytest.raises(ShapeError, match="class 1 has 2 and 3 were asked for"):
        draw_per_class(np.array([0, 1, 1]), [1, 3], 0)
