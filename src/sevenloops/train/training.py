"""The training loop, and a whole run from data set to folder."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from sevenloops.autograd import Tensor
from sevenloops.data import Compose, Dataset, Loader, Normalize, RandomShift, Transform
from sevenloops.errors import ShapeError
from sevenloops.functional.losses import cross_entropy
from sevenloops.nn import Module
from sevenloops.optim import Optimizer
from sevenloops.schedules import CosineAnnealingLR
from sevenloops.train.config import TrainConfig
from sevenloops.train.evaluation import Evaluation, evaluate, predict_logits
from sevenloops.train.progress import Progress
from sevenloops.train.recipes import build_model, build_optimizer, build_schedule
from sevenloops.train.run_folder import RunDescription, RunFolder

__all__ = ["EpochRecord", "TrainingRun", "train"]


@dataclass(frozen=True)
class EpochRecord:
    """How an epoch went: a row of history.csv.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss, train_accuracy : float
        Over the epoch's images, each as its batch was answered before its step.
    test_loss, test_accuracy : float
        After the epoch.
    seconds, images_per_second : float
        Of training, without testing.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    images_per_second: float

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}: loss {self.train_loss:.4f}, accuracy {100 * self.train_accuracy:.2f} %; "
            f"test {self.test_loss:.4f}, {100 * self.test_accuracy:.2f} %; {self.images_per_second:,.0f} images/s"
        )


def train(
    model: Module,
    optimizer: Optimizer,
    loader: Loader,
    dataset: Dataset,
    epochs: int,
    *,
    test_transform: Transform,
    progress: Progress,
    schedule: CosineAnnealingLR | None = None,
) -> Iterator[tuple[EpochRecord, Evaluation]]:
    """Train a model, and yield after each epoch how it went and what the model says of the test images.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Of the model's parameters.
    loader : Loader
        The batches to train on.
    dataset : Dataset
        Its test images are those to test on.
    epochs : int
    test_transform : Transform
        What test images go through before the model.
    progress : Progress
        Told of every batch and every epoch.
    schedule : CosineAnnealingLR, optional
        Takes a step after each of the optimizer's.

    Raises
    ------
    FloatingPointError
        If a loss is not finite; the model is then of no use.
    """
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        seen, loss, accuracy = _train_epoch(model, optimizer, loader, schedule, epoch, progress)
        seconds = time.perf_counter() - start
        with _quiet_overflow():
            outcome = evaluate(model, dataset.test_images, dataset.test_labels, test_transform)
            test_loss = _finite(outcome.loss, f"on the test images after epoch {epoch}")
        record = EpochRecord(epoch, loss, accuracy, test_loss, outcome.accuracy, seconds, seen / seconds)
        yield record, outcome
        progress.line(str(record))


def _train_epoch(
    model: Module,
    optimizer: Optimizer,
    loader: Loader,
    schedule: CosineAnnealingLR | None,
    epoch: int,
    progress: Progress,
) -> tuple[int, float, float]:
    """Go through the loader's batches once; return the number of images, mean loss and accuracy."""
    seen, right, total = 0, 0, 0.0
    model.train()
    with _quiet_overflow():
        for step, (images, labels) in enumerate(loader, 1):
            logits = model(Tensor(images))
            loss = cross_entropy(logits, labels)
            value = _finite(loss.item(), f"at step {step} of epoch {epoch}")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
            seen += len(labels)
            right += int((logits.numpy().argmax(axis=1) == labels).sum())
            total += value * len(labels)
            progress.step(epoch, len(labels), total / seen, right / seen)
    return seen, total / seen, right / seen


def _quiet_overflow() -> np.errstate:
    """Keep NumPy from warning of what `_finite` finds."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def _finite(loss: float, where: str) -> float:
    if not math.isfinite(loss):
        raise FloatingPointError(f"The loss must stay finite, but it is {loss} {where}; use a smaller learning rate.")
    return loss


class TrainingRun:
    """A run as a configuration describes it, built and tried on one image before anything is written.

    Parameters
    ----------
    config : TrainConfig
    dataset : Dataset

    Attributes
    ----------
    model : Module
    history : list of EpochRecord
        Of the epochs that are in the folder.

    Raises
    ------
    ValueError
        If the configuration names something that does not exist, or the model cannot take the images.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset) -> None:
        _, height, width = dataset.image_shape
        if config.shift >= min(height, width):
            raise ShapeError(
                f"shift must be less than height and width of the images, {height}×{width}, but got {config.shift}."
            )
        model_seed, loader_seed = np.random.SeedSequence(config.seed).spawn(2)
        self.config = config
        self.dataset = dataset
        self.history: list[EpochRecord] = []
        self.normalize = Normalize.from_images(dataset.train_images)
        self.model = build_model(
            config, dataset.image_shape[0], len(dataset.class_names), np.random.default_rng(model_seed)
        )
        self._loader = Loader(
            dataset.train_images,
            dataset.train_labels,
            config.batch_size,
            shuffle=True,
            rng=np.random.default_rng(loader_seed),
            transform=Compose([RandomShift(config.shift), self.normalize]) if config.shift else self.normalize,
        )
        self._optimizer = build_optimizer(config, self.model.parameters())
        self._schedule = build_schedule(config, self._optimizer, config.epochs * len(self._loader))
        predict_logits(self.model, dataset.test_images[:1], self.normalize)

    def run(self, folder: RunFolder, *, quiet: bool = False) -> Evaluation:
        """Train, and leave configuration, weights and history in the folder, from the first whole epoch on.

        Parameters
        ----------
        folder : RunFolder
        quiet : bool
            Say nothing on stderr.

        Returns
        -------
        Evaluation
            Of the trained model on the test images.

        Raises
        ------
        FloatingPointError
            If a loss is not finite.
        """
        config, dataset = self.config, self.dataset
        description = RunDescription(config, dataset.class_names, dataset.image_shape, self.normalize)
        with Progress(config.epochs, len(dataset.train_images), quiet=quiet) as progress:
            for record, outcome in train(
                self.model,
                self._optimizer,
                self._loader,
                dataset,
                config.epochs,
                test_transform=self.normalize,
                progress=progress,
                schedule=self._schedule,
            ):
                folder.write_weights(self.model)
                folder.write_history(asdict(row) for row in (*self.history, record))
                folder.write_config(description)
                self.history.append(record)
                final = outcome
        return final
