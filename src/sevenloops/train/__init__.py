"""Training a model on a labelled set of images, and the folder that is left."""

from sevenloops.train.config import TrainConfig
from sevenloops.train.evaluation import Evaluation, evaluate, predict_probabilities
from sevenloops.train.recipes import MODELS, OPTIMIZERS, build_model, build_optimizer
from sevenloops.train.run_folder import RunFolder
from sevenloops.train.training import EpochRecord, TrainingRun, train

__all__ = [
    "MODELS",
    "OPTIMIZERS",
    "EpochRecord",
    "Evaluation",
    "RunFolder",
    "TrainConfig",
    "TrainingRun",
    "build_model",
    "build_optimizer",
    "evaluate",
    "predict_probabilities",
    "train",
]
