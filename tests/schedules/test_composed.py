import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import optim, schedules
from sevenloops.nn import Parameter
from sevenloops.schedules import ChainedScheduler, SequentialLR
from tests.helpers.schedules import FACTORS, SINGLE


def optimizer_with(*rates, **options):
    return optim.SGD([{"params": [Parameter(np.zeros(2))], "lr": rate} for rate in rates], **options)


def walk(schedule, steps):
    rates = [schedule.get_last_lr()]
    for _ in range(steps):
        schedule.step()
        rates.append(schedule.get_last_lr())
    return np.array(rates)


PARTS = [name for name in SINGLE if name != "one_cycle"]


@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=4), st.lists(st.integers(1, 12), min_size=3), st.integers(0)
)
def test_one_after_the_other(names, lengths, seed):
    """As if each were alone, for as long as it lasts."""
    rng = np.random.default_rng(seed)
    makers = [SINGLE[name](rng) for name in names]
    lengths = lengths[: len(makers) - 1]
    milestones = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    lengths.append(10)
    alone = [make(schedules, optimizer_with(0.3, 0.7)) for make in makers]
    expected = np.concatenate([walk(part, length - 1) for part, length in zip(alone, lengths, strict=True)])
    optimizer = optimizer_with(0.3, 0.7)
    schedule = SequentialLR(optimizer, [make(schedules, optimizer) for make in makers], milestones)
    np.testing.assert_array_equal(walk(schedule, len(expected) - 1), expected)


@given(st.lists(st.sampled_from(sorted(FACTORS)), min_size=1, max_size=4), st.integers(0))
def test_all_at_once_is_the_product_of_their_factors(names, seed):
    rng = np.random.default_rng(seed)
    makers = [FACTORS[name](rng) for name in names]
    alone = [walk(make(schedules, optimizer_with(1.0)), 30) for make in makers]
    optimizer = optimizer_with(0.3, 0.7)
    schedule = ChainedScheduler([make(schedules, optimizer) for make in makers])
    expected = np.prod(alone, axis=0) * [0.3, 0.7]
    np.testing.assert_allclose(walk(schedule, 30), expected, rtol=1e-13)


def test_a_warm_up_before_a_cosine_by_hand():
    optimizer = optimizer_with(0.8)
    parts = [schedules.LinearLR(optimizer, 0.25, total_iters=3), schedules.CosineAnnealingLR(optimizer, 2)]
    rates = walk(SequentialLR(optimizer, parts, [3]), 5)
    np.testing.assert_allclose(rates[:, 0], [0.2, 0.4, 0.6, 0.8, 0.4, 0.0], rtol=1e-14, atol=1e-17)


def test_they_nest():
    optimizer = optimizer_with(0.8)
    warmup = ChainedScheduler(
        [schedules.ConstantLR(optimizer, 0.5, total_iters=1), schedules.LinearLR(optimizer, 0.5, total_iters=2)]
    )
    inner = SequentialLR(
        optimizer, [schedules.ExponentialLR(optimizer, 0.5), schedules.ConstantLR(optimizer, 0.25, 2)], [1]
    )
    schedule = SequentialLR(optimizer, [warmup, inner], [2])
    np.testing.assert_allclose(walk(schedule, 5)[:, 0], [0.2, 0.6, 0.8, 0.2, 0.2, 0.8], rtol=1e-15)


def test_what_else_a_part_changes_is_changed_in_its_time():
    optimizer = optimizer_with(0.8, momentum=0.5)
    before = schedules.ExponentialLR(optimizer, 0.5)
    cycle = schedules.OneCycleLR(optimizer, 1.0, 10, max_momentum=0.9, base_momentum=0.6)
    schedule = SequentialLR(optimizer, [before, cycle], [2])
    optimizer.param_groups[0]["momentum"] = 0.5
    momenta = []
    for _ in range(5):
        momenta.append(optimizer.param_groups[0]["momentum"])
        schedule.step()
    np.testing.assert_allclose(momenta, [0.5, 0.5, 0.9, 0.75, 0.6], rtol=1e-14)


def test_a_factor_of_zero_for_a_while():
    optimizer = optimizer_with(0.8)
    frozen, decay = schedules.ConstantLR(optimizer, 0.0, total_iters=2), schedules.ExponentialLR(optimizer, 0.5)
    assert walk(ChainedScheduler([frozen, decay]), 3)[:, 0].tolist() == [0, 0, 0.2, 0.1]


def test_a_chain_begins_where_its_parts_are():
    optimizer = optimizer_with(0.8)
    parts = [schedules.ExponentialLR(optimizer, 0.5), schedules.StepLR(optimizer, 2, 0.1)]
    for _ in range(3):
        for part in parts:
            part.step()
    schedule = ChainedScheduler(parts)
    assert schedule.last_epoch == 3
    np.testing.assert_allclose(walk(schedule, 1)[:, 0], [0.01, 0.0005], rtol=1e-14)


def test_a_chain_keeps_a_rate_that_was_set_before_it():
    optimizer = optimizer_with(0.8)
    schedules.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 0.4
    chain = ChainedScheduler([schedules.ExponentialLR(optimizer, 0.5), schedules.LinearLR(optimizer, 0.5)])
    assert chain.get_last_lr() == [0.2]


def plain(optimizer):
    return schedules.ExponentialLR(optimizer, 0.5)


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda o: SequentialLR(o, [], []), ValueError, "at least one schedule"),
        (lambda o: SequentialLR(o, plain(o), []), TypeError, "SequentialLR needs a list"),
        (lambda o: SequentialLR(o, [plain(o)], [3]), ValueError, "milestones must be one less .* 0, but got 1"),
        (lambda o: SequentialLR(o, [plain(o)] * 3, [3, 2]), ValueError, r"milestones must rise, but got \[3, 2\]"),
        (lambda o: SequentialLR(o, [plain(o)] * 2, [1.5]), TypeError, r"milestones\[0\] must be an integer"),
        (lambda o: SequentialLR(o, [plain(o)] * 2, 3), TypeError, "milestones must be a list of integers"),
        (lambda o: SequentialLR(o, [plain(optimizer_with(1.0))], []), ValueError, r"schedulers\[0\] is of another"),
        (
            lambda o: SequentialLR(o, [plain(o), schedules.ReduceLROnPlateau(o)], [3]),
            TypeError,
            r"schedulers\[1\] is a ReduceLROnPlateau; step that one by itself",
        ),
        (lambda o: ChainedScheduler([plain(o)], optimizer_with(1.0)), ValueError, r"schedulers\[0\] is of another"),
        (lambda o: ChainedScheduler([]), ValueError, "at least one schedule"),
        (lambda o: ChainedScheduler([plain(o), plain(optimizer_with(1.0))]), ValueError, r"schedulers\[1\] is of"),
        (lambda o: ChainedScheduler([schedules.ReduceLROnPlateau(o)]), TypeError, "ReduceLROnPlateau"),
    ],
)
def test_what_is_refused(build, error, words):
    with pytest.raises(error, match=words):
        build(optimizer_with(0.1))


def test_a_chain_of_schedules_at_several_steps_is_refused():
    optimizer = optimizer_with(0.1)
    first, second = plain(optimizer), plain(optimizer)
    second.step()
    with pytest.raises(ValueError, match=r"schedulers\[0\] is at 0 and schedulers\[1\] at 1"):
        ChainedScheduler([first, second])
