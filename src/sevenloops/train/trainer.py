"""The training loop: a model, what changes it, and how far they are."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import Tensor
from sevenloops.data import Dataset, Loader, Transform
from sevenloops.functional.losses import cross_entropy
from sevenloops.nn import Module
from sevenloops.optim import Optimizer, clip_grad_norm_
from sevenloops.schedules import LRScheduler, ReduceLROnPlateau
from sevenloops.train.evaluation import Evaluation, evaluate, no_check
from sevenloops.train.finite import check_gradients, check_loss, generators_of, quiet_overflow
from sevenloops.train.progress import Progress

__all__ = ["EpochRecord", "EpochSums", "Trainer"]

R = TypeVar("R", "EpochRecord", "EpochSums")


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
            f"epoch {self.epoch}: loss {_short(self.train_loss)}, accuracy {100 * self.train_accuracy:.2f} %; "
            f"test {_short(self.test_loss)}, {100 * self.test_accuracy:.2f} %; {self.images_per_second:,.0f} images/s"
        )


def _short(loss: float) -> str:
    """Return a loss with four decimals, or rounded where training goes astray."""
    return f"{loss:.4f}" if loss < 10 else f"{loss:.3g}"


@dataclass
class EpochSums:
    """What has been counted since the epoch began: steps, images, right answers, loss times images, seconds."""

    steps: int = 0
    images: int = 0
    right: int = 0
    loss: float = 0.0
    seconds: float = 0.0


@dataclass
class Trainer:
    """A model in training, with all that decides on its next step.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Of the model's parameters.
    loader : Loader
        The batches to train on; one iteration is an epoch.
    schedule : LRScheduler, optional
        Takes a step after each of the optimizer's; a ReduceLROnPlateau one after each epoch, with the test loss.
    loss : callable
        ``loss(logits, labels)``, the mean over a batch.
    clip_norm : float, optional
        The largest norm of all gradients together; longer ones are shortened to it.

    Attributes
    ----------
    history : list of EpochRecord
        The epochs that are done.
    sums : EpochSums
        Of the epoch under way.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> from sevenloops.data import Loader, Normalize, digits
    >>> from sevenloops.train import Progress, Trainer
    >>> data, model = digits(), nn.Sequential(nn.Flatten(), nn.Linear(784, 10, rng=0))
    >>> loader = Loader(data.train_images, data.train_labels, 32, shuffle=True, rng=0)
    >>> trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), loader)
    >>> for record, _ in trainer.fit(data, 1, test_transform=Normalize(0.0, 1.0)):
    ...     print(record.test_accuracy > 0.85)
    True
    """

    model: Module
    optimizer: Optimizer
    loader: Loader
    schedule: LRScheduler | ReduceLROnPlateau | None = None
    loss: Callable[[Tensor, Array], Tensor] = cross_entropy
    clip_norm: float | None = None
    history: list[EpochRecord] = field(default_factory=list)
    sums: EpochSums = field(default_factory=EpochSums)

    def fit(
        self,
        dataset: Dataset,
        epochs: int,
        *,
        test_transform: Transform,
        progress: Progress | None = None,
        check: Callable[[], None] = no_check,
    ) -> Iterator[tuple[EpochRecord, Evaluation]]:
        """Train until so many epochs are done; yield after each how it went and what the model says of the tests.

        Parameters
        ----------
        dataset : Dataset
            Its test images are those to test on.
        epochs : int
            Those in the history included.
        test_transform : Transform
            What test images go through before the model.
        progress : Progress, optional
            Told of every batch and every epoch.
        check : callable
            Called between steps, and between the batches of a test. If it raises, the state is that of a whole step,
            and calling `fit` again goes on from there.

        Raises
        ------
        FloatingPointError
            If a loss or a gradient is not finite; the model is then of no use. The message names step and layer.
        """
        progress = progress or Progress(epochs, len(self.loader.labels), quiet=True)
        while len(self.history) < epochs:
            epoch = len(self.history) + 1
            self._finish_epoch(epoch, progress, check)
            self.model.eval()  # what looks for a value that is not finite sees what the test saw
            with quiet_overflow():
                outcome = evaluate(self.model, dataset.test_images, dataset.test_labels, test_transform, check=check)
                where = f"on the test images after epoch {epoch}"
                check_loss(outcome.loss, where, self.model, lambda: _transformed(dataset.test_images, test_transform))
            if isinstance(self.schedule, ReduceLROnPlateau):
                self.schedule.step(outcome.loss)
            sums, self.sums = self.sums, EpochSums()
            record = EpochRecord(
                epoch=epoch,
                train_loss=sums.loss / sums.images,
                train_accuracy=sums.right / sums.images,
                test_loss=outcome.loss,
                test_accuracy=outcome.accuracy,
                seconds=sums.seconds,
                images_per_second=sums.images / sums.seconds,
            )
            self.history.append(record)
            yield record, outcome
            progress.line(str(record))

    def _finish_epoch(self, epoch: int, progress: Progress, check: Callable[[], None]) -> None:
        """Take the steps that are left of an epoch."""
        sums = self.sums
        check()
        if sums.steps == len(self.loader):  # it was stopped during its test
            return
        self.model.train()
        self.loader.load_state_dict(self.loader.state_dict())  # go on at its place
        start = time.perf_counter()
        with quiet_overflow():
            for images, labels in self.loader:
                logits, loss = self._step(images, labels, f"at step {sums.steps + 1} of epoch {epoch}")
                now = time.perf_counter()
                sums.seconds, start = sums.seconds + now - start, now
                sums.steps += 1
                sums.images += len(labels)
                sums.right += int((logits.argmax(axis=1) == labels).sum())
                sums.loss += loss * len(labels)
                progress.step(epoch, len(labels), sums.loss / sums.images, sums.right / sums.images)
                check()

    def _step(self, images: Array, labels: Array, where: str) -> tuple[Array, float]:
        """Change the model by one batch; return what it said before, and the loss of that."""
        states = [(generator, generator.bit_generator.state) for _, generator in generators_of(self.model)]
        logits = self.model(Tensor(images))
        loss = self.loss(logits, labels)
        value = loss.item()
        check_loss(value, where, self.model, lambda: images, states)
        self.optimizer.zero_grad()
        loss.backward()
        check_gradients(self.model, where)
        if self.clip_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        if self.schedule is not None and not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()
        return logits.numpy(), value

    # --- its state -----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return all that another trainer, built alike, needs to go on with the very same bits.

        Returns
        -------
        dict
            Arrays under "model" by name; the rest are nested dicts and lists of plain values, and the optimizer's
            state as its own `state_dict` has it.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "loader": self.loader.state_dict(),
            "generators": {name: generator.bit_generator.state for name, generator in generators_of(self.model)},
            "history": [asdict(record) for record in self.history],
            "sums": asdict(self.sums),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state of a trainer that was built alike; names of the optimizer's entries may be strings.

        Raises
        ------
        KeyError, TypeError, ValueError
            If a part is missing or does not fit; the trainer is then of no use.
        """
        self.model.load_state_dict(state["model"])
        optimizer = state["optimizer"]
        numbered = {int(number): entry for number, entry in optimizer["state"].items()}
        self.optimizer.load_state_dict(optimizer | {"state": numbered})
        if (self.schedule is None) != (state["schedule"] is None):
            raise ValueError("A state must have a schedule if the trainer has one, and none if it has none.")
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        generators = dict(generators_of(self.model))
        if set(generators) != set(state["generators"]):
            raise ValueError(
                f"A state must have the generators {sorted(generators)}, but has {sorted(state['generators'])}."
            )
        for name, generator in generators.items():
            generator.bit_generator.state = state["generators"][name]
        self.loader.load_state_dict(state["loader"])
        self.history = [_record(EpochRecord, row) for row in state["history"]]
        self.sums = _record(EpochSums, state["sums"])


def _transformed(images: Array, transform: Transform) -> Array:
    """Return all images as a model gets them."""
    return next(iter(Loader(images, np.zeros(len(images), np.int64), len(images), transform=transform)))[0]


def _record(kind: type[R], values: dict[str, Any]) -> R:
    """Make a record of plain numbers from a dict with one for each of its fields."""
    numbers: dict[str, Any] = {f.name: (int if f.type is int else float)(values[f.name]) for f in fields(kind)}
    return kind(**numbers)
