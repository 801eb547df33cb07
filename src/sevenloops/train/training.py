"""The training loop, and a whole run from data set to folder."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from sevenloops.autograd import Tensor
from sevenloops.data import Compose, Dataset, Loader, Normalize, RandomShift
from sevenloops.data.transforms import Transform
from sevenloops.functional.losses import cross_entropy
from sevenloops.nn import Module
from sevenloops.optim import Optimizer
from sevenloops.train.config import TrainConfig
from sevenloops.train.evaluation import Evaluation, evaluate
from sevenloops.train.progress import Progress
from sevenloops.train.recipes import build_model, build_optimizer
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
        Over the epoch's batches, each as it was before its step.
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
            f"epoch {self.epoch}: loss {self.train_loss:.4f}, accuracy {self.train_accuracy:.2%}; "
            f"test loss {self.test_loss:.4f}, accuracy {self.test_accuracy:.2%}; "
            f"{self.images_per_second:,.0f} images/s"
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
) -> Iterator[tuple[EpochRecord, Evaluation]]:
    """Train a model, and yield after each epoch how it went and what the model says of the test images.

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    for epoch in range(1, epochs + 1):
        model.train()
        start = time.perf_counter()
        seen, right, total = 0, 0, 0.0
        for step, (images, labels) in enumerate(loader, 1):
            logits = model(Tensor(images))
            loss = cross_entropy(logits, labels)
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"The loss must stay finite, but it is {value} at step {step} of epoch {epoch}; "
                    f"use a smaller learning rate."
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(labels)
            right += int((logits.numpy().argmax(axis=1) == labels).sum())
            total += value * len(labels)
            progress.step(epoch, len(labels), total / seen, right / seen)
        seconds = time.perf_counter() - start
        outcome = evaluate(model, dataset.test_images, dataset.test_labels, test_transform)
        record = EpochRecord(
            epoch, total / seen, right / seen, outcome.loss, outcome.accuracy, seconds, seen / seconds
        )
        progress.line(str(record))
        yield record, outcome


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

    Raises
    ------
    ValueError
        If the configuration names something that does not exist, or the model cannot take the images.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset) -> None:
        model_seed, loader_seed = np.random.SeedSequence(config.seed).spawn(2)
        self.config = config
        self.dataset = dataset
        self.history: list[EpochRecord] = []
        self.normalize = Normalize.from_images(dataset.train_images)
        self.model = build_model(
            config, dataset.image_shape[0], len(dataset.class_names), np.random.default_rng(model_seed)
        )
        self._optimizer = build_optimizer(config, self.model.parameters())
        self._loader = Loader(
            dataset.train_images,
            dataset.train_labels,
            config.batch_size,
            shuffle=True,
            rng=np.random.default_rng(loader_seed),
            transform=Compose([RandomShift(config.shift), self.normalize]) if config.shift else self.normalize,
        )
        self.model(Tensor(self.normalize(dataset.train_images[:1])))

    def run(self, folder: RunFolder, *, quiet: bool = False) -> Evaluation:
        """Train, and leave configuration, weights and history in the folder; they are as of the last whole epoch.

        Returns
        -------
        Evaluation
            Of the trained model on the test images.

        Raises
        ------
        FloatingPointError
            If the loss is no longer finite.
        """
        config, dataset = self.config, self.dataset
        folder.write_config(RunDescription(config, dataset.class_names, dataset.image_shape, self.normalize))
        with Progress(config.epochs, len(dataset.train_images), quiet=quiet) as progress:
            for record, outcome in train(
                self.model,
                self._optimizer,
                self._loader,
                dataset,
                config.epochs,
                test_transform=self.normalize,
                progress=progress,
            ):
                self.history.append(record)
                folder.write_history(asdict(row) for row in self.history)
                folder.write_weights(self.model)
                final = outcome
        return final
