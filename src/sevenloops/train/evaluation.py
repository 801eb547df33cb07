"""What a model says of images it was not trained on; no weight changes here."""

from dataclasses import dataclass

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import no_grad
from sevenloops.data import Loader
from sevenloops.data.transforms import Transform
from sevenloops.functional.activations import softmax
from sevenloops.nn import Module

__all__ = ["Evaluation", "evaluate", "predict_probabilities"]

_BATCH = 250


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's answers on labelled images.

    Attributes
    ----------
    probabilities : float32 array, (N, classes)
    labels : int64 array, (N,)
        The right answers.
    """

    probabilities: Array
    labels: Array

    @property
    def answers(self) -> Array:
        """The class with the highest probability, (N,)."""
        answers: Array = self.probabilities.argmax(axis=1)
        return answers

    @property
    def accuracy(self) -> float:
        """Share of right answers, from 0 to 1."""
        return float((self.answers == self.labels).mean()) if len(self.labels) else float("nan")

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        right = self.probabilities[np.arange(len(self.labels)), self.labels].astype(np.float64)
        return float(-np.log(np.maximum(right, np.finfo(np.float32).tiny)).mean()) if len(right) else float("nan")

    @property
    def mistakes(self) -> Array:
        """Indices of the wrong answers, the most confident first."""
        wrong = np.flatnonzero(self.answers != self.labels)
        confidence = self.probabilities[wrong].max(axis=1)
        order: Array = wrong[np.argsort(-confidence, kind="stable")]
        return order


def predict_probabilities(model: Module, images: Array, transform: Transform) -> Array:
    """Return the model's class probabilities for uint8 images (N, C, H, W), as (N, classes)."""
    was_training = model.training
    model.eval()
    try:
        with no_grad():
            labels = np.zeros(len(images), np.int64)
            batches = [model(batch) for batch, _ in Loader(images, labels, _BATCH, transform=transform)]
    finally:
        model.train(was_training)
    return np.concatenate([softmax(np.asarray(logits), 1) for logits in batches])


def evaluate(model: Module, images: Array, labels: Array, transform: Transform) -> Evaluation:
    """Let a model answer for labelled uint8 images (N, C, H, W)."""
    return Evaluation(predict_probabilities(model, images, transform), labels)
