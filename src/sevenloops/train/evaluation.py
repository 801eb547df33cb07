"""What a model says of images; nothing about the model changes here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import no_grad
from sevenloops.data import Loader, Transform
from sevenloops.errors import ShapeError
from sevenloops.functional.activations import softmax
from sevenloops.functional.losses import cross_entropy
from sevenloops.nn import Module

__all__ = ["Evaluation", "evaluate", "no_check", "predict_logits"]

_BATCH = 250


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's answers to labelled images.

    Attributes
    ----------
    logits : float array, (N, classes)
        What the model returned.
    labels : int64 array, (N,)
        The right answers.

    Examples
    --------
    >>> import numpy as np
    >>> outcome = Evaluation(np.log([[0.75, 0.25], [0.5, 0.5]]), np.array([1, 0]))
    >>> outcome.accuracy, outcome.answers.tolist(), outcome.mistakes.tolist()
    (0.5, [0, 0], [0])
    """

    logits: Array
    labels: Array

    @cached_property
    def probabilities(self) -> Array:
        """The probability of each class, (N, classes)."""
        probabilities: Array = softmax(self.logits, 1)
        return probabilities

    @cached_property
    def answers(self) -> Array:
        """The most probable class, (N,)."""
        answers: Array = self.logits.argmax(axis=1)
        return answers

    @property
    def accuracy(self) -> float:
        """Share of right answers, from 0 to 1."""
        return float((self.answers == self.labels).mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return float(cross_entropy(self.logits.astype(np.float64), self.labels))

    @property
    def mistakes(self) -> Array:
        """Indices of the wrong answers, the most confident first."""
        wrong = np.flatnonzero(self.answers != self.labels)
        confidence = self.probabilities[wrong].max(axis=1)
        order: Array = wrong[np.argsort(-confidence, kind="stable")]
        return order


def no_check() -> None:
    """Go on, whatever happens."""


def predict_logits(
    model: Module, images: Array, transform: Transform, *, check: Callable[[], None] = no_check
) -> Array:
    """Return what a model says of images, as it is when it is not being trained.

    Parameters
    ----------
    model : Module
    images : uint8 array, (N, C, H, W)
        At least one.
    transform : Transform
        What images go through before the model.
    check : callable
        Called before each batch; it ends the whole by raising something.

    Returns
    -------
    float array, (N, classes)

    Raises
    ------
    ShapeError
        If there is no image, or the model cannot take images of their shape.
    """
    if not len(images):
        raise ShapeError("There must be at least one image for a model to answer, but there is none.")
    loader = Loader(images, np.zeros(len(images), np.int64), _BATCH, transform=transform)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    logits: list[Array] = []
    try:
        with no_grad():
            for batch, _ in loader:
                check()
                logits.append(np.asarray(model(batch)))
    finally:
        for module, mode in modes:  # one by one: some may have been frozen in a model that is being trained
            module.training = mode
    return np.concatenate(logits)


def evaluate(
    model: Module, images: Array, labels: Array, transform: Transform, *, check: Callable[[], None] = no_check
) -> Evaluation:
    """Let a model answer labelled images; the parameters, and what is raised, are those of `predict_logits`."""
    return Evaluation(predict_logits(model, images, transform, check=check), labels)
