"""Training a model on a labelled set of images, and the folder that is left."""

from sevenloops.train.config import TrainConfig
from sevenloops.train.evaluation import Evaluation, evaluate, predict_logits
from sevenloops.train.interrupt import Interrupts, Stopped
from sevenloops.train.progress import Progress
from sevenloops.train.recipes import MODELS, OPTIMIZERS, SCHEDULES, build_model, build_optimizer, build_schedule
from sevenloops.train.run_folder import RunDescription, RunFolder
from sevenloops.train.trainer import EpochRecord, Trainer
from sevenloops.train.training import TrainingRun

__all__ = [
    "MODELS",
    "OPTIMIZERS",
    "SCHEDULES",
    "EpochRecord",
    "Evaluation",
    "Interrupts",
    "Progress",
    "RunDescription",
    "RunFolder",
    "Stopped",
    "TrainConfig",
    "Trainer",
    "TrainingRun",
    "build_model",
    "build_optimizer",
    "build_schedule",
    "evaluate",
    "predict_logits",
]
