"""Training a model on a labelled set of images, and the folder that is left."""

from sevenloops.train.config import TrainConfig
from sevenloops.train.evaluation import Evaluation, evaluate, predict_logits
from sevenloops.train.recipes import MODELS, OPTIMIZERS, SCHEDULES, build_model, build_optimizer, build_schedule
from sevenloops.train.run_folder import RunDescription, RunFolder
from sevenloops.train.training import EpochRecord, TrainingRun, train

__all__ = [
    "MODELS",
    "OPTIMIZERS",
    "SCHEDULES",
    "EpochRecord",
    "Evaluation",
    "RunDescription",
    "RunFolder",
    "TrainConfig",
    "TrainingRun",
    "build_model",
    "build_optimizer",
    "build_schedule",
    "evaluate",
    "predict_logits",
    "train",
]
