"""A whole run, from configuration and data set to the folder that is left, in one go or in several."""

import hashlib
from dataclasses import asdict
from functools import cached_property, partial

import numpy as np

from sevenloops.data import Compose, Dataset, Loader, Normalize, RandomHorizontalFlip, RandomShift, Transform
from sevenloops.errors import DataError, ShapeError
from sevenloops.functional.losses import cross_entropy
from sevenloops.nn import Module
from sevenloops.train.config import TrainConfig
from sevenloops.train.evaluation import Evaluation, evaluate, predict_logits
from sevenloops.train.interrupt import Interrupts, Stopped
from sevenloops.train.progress import Progress
from sevenloops.train.recipes import build_model, build_optimizer, build_schedule
from sevenloops.train.run_folder import RunDescription, RunFolder
from sevenloops.train.trainer import EpochRecord, Trainer

__all__ = ["TrainingRun"]


class TrainingRun:
    """A run as a configuration describes it, built and tried on one image before anything is written.

    Parameters
    ----------
    config : TrainConfig
    dataset : Dataset

    Attributes
    ----------
    trainer : Trainer
        The model, and all that changes it.
    saved_epochs : int
        How many epochs the weights in the folder have been trained for.

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
        self.saved_epochs = 0
        self.normalize = Normalize.from_images(dataset.train_images)
        model = build_model(
            config, dataset.image_shape[0], len(dataset.class_names), np.random.default_rng(model_seed)
        )
        loader = Loader(
            dataset.train_images,
            dataset.train_labels,
            config.batch_size,
            shuffle=True,
            rng=np.random.default_rng(loader_seed),
            transform=Compose([*_distortions(config), self.normalize]),
        )
        optimizer = build_optimizer(config, model.parameters())
        self.trainer = Trainer(
            model,
            optimizer,
            loader,
            schedule=build_schedule(config, optimizer, len(loader)),
            loss=partial(cross_entropy, label_smoothing=config.label_smoothing),
            clip_norm=config.clip_norm,
        )
        predict_logits(model, dataset.test_images[:1], self.normalize)

    @property
    def model(self) -> Module:
        """The model that is trained."""
        return self.trainer.model

    @property
    def history(self) -> list[EpochRecord]:
        """How each epoch that is done went."""
        return self.trainer.history

    @cached_property
    def description(self) -> RunDescription:
        """What the folder's config.json says of the run."""
        dataset = self.dataset
        return RunDescription(self.config, dataset.class_names, dataset.image_shape, self.normalize, _hash(dataset))

    def restore(self, folder: RunFolder) -> None:
        """Go back to where the folder's checkpoint was written; to the beginning if none was.

        Raises
        ------
        DataError
            If the data are not those that the run began with, or the checkpoint is damaged or another run's.
        """
        expected, found = folder.read_config().data_hash, self.description.data_hash
        if found != expected:
            raise DataError(
                f"A run goes on with the images and labels that it began with, but {self.dataset} has others "
                f"(SHA-256 {found:.12}…, and {folder.path} began with {expected:.12}…); name their folder by --data."
            )
        folder.clean()
        folder.read_checkpoint(self.trainer, self.description)
        if self.history:
            self._write_results(folder)  # it may have been killed after the checkpoint, and before these

    def run(self, folder: RunFolder, *, quiet: bool = False) -> Evaluation:
        """Train to the end, and leave configuration, checkpoint, weights and history in the folder on the way.

        The configuration is written at once, the others after each epoch. A signal is obeyed between two steps,
        where the checkpoint is written again.

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
        Stopped
            If Ctrl-C or SIGTERM came; calling `run` again goes on.
        FloatingPointError
            If a loss or a gradient is not finite.
        """
        config, dataset, trainer = self.config, self.dataset, self.trainer
        if not folder.is_begun:
            folder.write_config(self.description)
        outcome = None
        images = len(dataset.train_images)
        done = len(self.history) * images + trainer.sums.images
        progress = Progress(config.epochs, images, done=done, quiet=quiet)
        with Interrupts(quiet=quiet) as interrupts, progress:
            try:
                for _, outcome in trainer.fit(  # noqa: B007 (the last one is the run's)
                    dataset,
                    config.epochs,
                    test_transform=self.normalize,
                    progress=progress,
                    check=interrupts.check,
                ):
                    folder.write_checkpoint(trainer, self.description)
                    self._write_results(folder)
                interrupts.check()  # it may have come after the last step
            except Stopped:
                folder.write_checkpoint(trainer, self.description)
                raise
        if outcome is None:  # all epochs had been done
            outcome = evaluate(self.model, dataset.test_images, dataset.test_labels, self.normalize)
        return outcome

    def _write_results(self, folder: RunFolder) -> None:
        folder.write_weights(self.model)
        folder.write_history(asdict(record) for record in self.history)
        self.saved_epochs = len(self.history)


def _distortions(config: TrainConfig) -> list[Transform]:
    """Return what training images go through, and test images do not."""
    distortions: list[Transform] = []
    if config.shift:
        distortions.append(RandomShift(config.shift))
    if config.flip:
        distortions.append(RandomHorizontalFlip())
    return distortions


def _hash(dataset: Dataset) -> str:
    """Return what the same images and labels are known by."""
    digest = hashlib.sha256()
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        digest.update(f"{array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
