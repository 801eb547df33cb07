from dataclasses import replace

import numpy as np
import pytest

from sevenloops import optim
from sevenloops.conv import registry
from sevenloops.nn import Conv2d, MaxPool2d, ReLU, Tanh
from sevenloops.train import (
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    TrainConfig,
    build_model,
    build_optimizer,
    build_schedule,
)


def model_of(config, channels=1, classes=10, seed=0):
    return build_model(config, channels, classes, np.random.default_rng(seed))


def kinds(model):
    return {type(module) for module in model.modules()}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_fits_channels_and_classes(name):
    model = model_of(TrainConfig(model=name), channels=3, classes=7)
    assert np.shape(model(np.zeros((2, 3, 32, 32), np.float32))) == (2, 7)


def test_the_published_lenet5_and_the_modern_one():
    published, modern = model_of(TrainConfig()), model_of(TrainConfig(activation="relu", pool="max"))
    assert Tanh in kinds(published)
    assert not {ReLU, MaxPool2d} & kinds(published)
    assert {ReLU, MaxPool2d} <= kinds(modern)
    assert Tanh not in kinds(modern)


@pytest.mark.parametrize("algorithm", ["auto", *registry.names()])
def test_every_convolution_gets_the_algorithm(algorithm):
    convolutions = [m for m in model_of(TrainConfig(algorithm=algorithm)).modules() if isinstance(m, Conv2d)]
    assert len(convolutions) == 3
    assert {layer.algorithm for layer in convolutions} == {algorithm}


def test_the_generator_alone_decides_on_the_weights():
    first, same, other = (model_of(TrainConfig(), seed=seed).state_dict() for seed in (1, 1, 2))
    for name, value in first.items():
        np.testing.assert_array_equal(value, same[name])
        assert name.endswith("bias") or (value != other[name]).any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_gets_what_it_is_told(name):
    config = TrainConfig(optimizer=name, weight_decay=0.01, momentum=0.5)
    parameters = list(model_of(config).parameters())
    usual = build_optimizer(config, parameters)
    (group,) = usual.param_groups
    assert (group["lr"], group["weight_decay"]) == (OPTIMIZERS[name].lr, 0.01)
    assert group.get("momentum", 0.5) == 0.5
    assert [id(p) for p in group["params"]] == [id(p) for p in parameters]
    assert build_optimizer(replace(config, lr=0.125), parameters).param_groups[0]["lr"] == 0.125


def test_the_optimizers_are_those_of_their_names():
    parameters = list(model_of(TrainConfig()).parameters())
    kinds = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop}
    assert set(kinds) == set(OPTIMIZERS)
    for name, kind in kinds.items():
        assert type(build_optimizer(TrainConfig(optimizer=name), parameters)) is kind


def rates(schedule, *, epochs=6, warmup=0, steps=4):
    """The learning rates of all steps, from a largest one of 0.5."""
    config = TrainConfig(schedule=schedule, lr=0.5, epochs=epochs, warmup=warmup)
    optimizer = build_optimizer(config, model_of(TrainConfig()).parameters())
    plan = build_schedule(config, optimizer, steps)
    found = []
    for _ in range(epochs * steps):
        found.append(optimizer.param_groups[0]["lr"])
        if plan is not None:
            plan.step()
    return found


def half_cosine(count):
    return [0.25 * (1 + np.cos(np.pi * t / count)) for t in range(count)]


def test_every_schedule_is_what_it_is_called():
    assert rates("constant") == [0.5] * 24
    np.testing.assert_allclose(rates("cosine"), half_cosine(24), atol=1e-12)
    np.testing.assert_allclose(rates("step"), [0.5] * 8 + [0.05] * 8 + [0.005] * 8)
    cycle = rates("one-cycle")
    assert max(cycle) == pytest.approx(0.5, rel=0.02)
    assert cycle[0] < 0.05
    assert cycle[-1] < 1e-4
    assert 0 < cycle.index(max(cycle)) < 12


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_a_warm_up_rises_evenly_to_the_schedules_beginning(schedule):
    warm = rates(schedule, warmup=2)
    np.testing.assert_allclose(warm[:8], [0.5 * (t + 1) / 9 for t in range(8)], rtol=1e-6)
    np.testing.assert_allclose(warm[8:], rates(schedule, epochs=4), rtol=1e-6)


@pytest.mark.parametrize("schedule", ["one-cycle", "plateau"])
def test_what_cannot_follow_a_warm_up_is_refused(schedule):
    with pytest.raises(ValueError, match=f"before the schedules .*, but got '{schedule}'; leave warmup at 0"):
        rates(schedule, warmup=1)


def test_a_plateau_lowers_the_rate_when_the_loss_stays():
    optimizer = build_optimizer(TrainConfig(lr=0.5), model_of(TrainConfig()).parameters())
    plan = build_schedule(TrainConfig(schedule="plateau"), optimizer, 4)
    for _ in range(4):
        plan.step(1.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.15)


def test_an_unknown_name_lists_the_known_ones():
    model = model_of(TrainConfig())
    optimizer = build_optimizer(TrainConfig(), model.parameters())
    for name, known, build in (
        ("model", MODELS, model_of),
        ("optimizer", OPTIMIZERS, lambda config: build_optimizer(config, model.parameters())),
        ("schedule", SCHEDULES, lambda config: build_schedule(config, optimizer, 1)),
    ):
        with pytest.raises(ValueError, match=f"{name} must be one of {', '.join(known)}, but got 'nonsense'"):
            build(TrainConfig(**{name: "nonsense"}))


@pytest.mark.parametrize("name", ["activation", "pool", "algorithm"])
def test_what_the_model_does_not_know_is_refused(name):
    with pytest.raises(ValueError, match="nonsense"):
        model_of(TrainConfig(**{name: "nonsense"}))
