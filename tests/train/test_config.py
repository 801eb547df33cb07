import json
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.errors import DataError
from sevenloops.train import TrainConfig
from tests.helpers.damage import is_one_sentence_about

PLACE = "runs/x-1/config.json"
NAMES = [field.name for field in fields(TrainConfig)]
STRINGS = ["model", "data", "optimizer", "schedule", "activation", "pool", "algorithm"]


def through_json(config):
    return TrainConfig.from_json(json.loads(json.dumps(config.to_json())), PLACE)


@given(
    st.builds(
        TrainConfig,
        model=st.text(),
        data=st.text(),
        image_size=st.none() | st.integers(1),
        epochs=st.integers(1),
        batch_size=st.integers(1),
        lr=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
        momentum=st.floats(0, 1, exclude_max=True),
        weight_decay=st.floats(0, allow_infinity=False),
        clip_norm=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
        label_smoothing=st.floats(0, 1, exclude_max=True),
        dropout=st.floats(0, 1, exclude_max=True),
        shift=st.integers(0),
        flip=st.booleans(),
        seed=st.integers(0),
    )
)
def test_a_configuration_survives_json(config):
    assert through_json(config) == config


def test_numbers_of_numpy_become_plain_ones():
    config = TrainConfig(epochs=np.int64(3), lr=np.float32(0.5), momentum=np.float64(0.25), image_size=np.int8(28))
    assert through_json(config) == config == TrainConfig(epochs=3, lr=0.5, momentum=0.25, image_size=28)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_entry_is_named(name):
    values = TrainConfig().to_json()
    del values[name]
    with pytest.raises(DataError, match=f"lacks {name}") as caught:
        TrainConfig.from_json(values, PLACE)
    assert is_one_sentence_about(caught.value, PLACE)


def test_an_unknown_entry_is_named():
    with pytest.raises(DataError, match="unknown 'colour'") as caught:
        TrainConfig.from_json(TrainConfig().to_json() | {"colour": 1}, PLACE)
    assert is_one_sentence_about(caught.value, PLACE)


WRONG = [
    *((name, value) for name in STRINGS for value in (None, 1, ["lenet5"])),
    *((name, value) for name in ("epochs", "batch_size") for value in (0, -1, 1.0, "1", True, None, [])),
    *((name, value) for name in ("warmup", "shift", "seed") for value in (-1, 0.5, "0", False, None)),
    *(("image_size", value) for value in (0, -28, 28.0, "28", True)),
    *((name, value) for name in ("lr", "clip_norm") for value in (0, -1, math.nan, math.inf, "0.1", True)),
    *((n, value) for n in ("momentum", "label_smoothing", "dropout") for value in (-0.1, 1, math.nan, None)),
    *(("flip", value) for value in (0, 1, "yes", None)),
    ("warmup", 12),
    *(("weight_decay", value) for value in (-1, math.inf, math.nan, "0", None)),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_entry_is_refused_in_one_sentence(name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
        TrainConfig(**{name: value})
    with pytest.raises(DataError, match=f"{name} must be") as caught:
        TrainConfig.from_json(TrainConfig().to_json() | {name: value}, PLACE)
    assert is_one_sentence_about(caught.value, PLACE)


@pytest.mark.parametrize("values", [None, 3, "epochs", NAMES, []])
def test_what_is_no_mapping_is_refused(values):
    with pytest.raises(DataError, match="must describe a training run") as caught:
        TrainConfig.from_json(values, PLACE)
    assert is_one_sentence_about(caught.value, PLACE)
