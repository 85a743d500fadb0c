"""Training: tasks and data in, a Fitted out, and its file."""

from surrogates.training.checkpoint import info, load
from surrogates.training.fine_tune import FineTune
from surrogates.training.fit import TrainingStopped, fit
from surrogates.training.fitted import Fitted, SeenInTraining, combine
from surrogates.training.plan import Plan
from surrogates.training.polish import polish
from surrogates.training.replay import relabel, select_replay, with_replay
from surrogates.training.state import Hook, State

__all__ = [
    "FineTune",
    "Fitted",
    "Hook",
    "Plan",
    "SeenInTraining",
    "State",
    "TrainingStopped",
    "combine",
    "fit",
    "info",
    "load",
    "polish",
    "relabel",
    "select_replay",
    "with_replay",
]
