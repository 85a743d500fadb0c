"""The state of an unfinished training beside its checkpoint: weights, optimiser, average, random state, history.

Written in the checkpoint's own format, no pickle. A resumed training equals an undisturbed one to the bit when its
budget is counted in epochs or steps.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from surrogates import tensor_file
from surrogates.physics.errors import TrainingError
from surrogates.training.trainer import Progress, Trainer

FILE = "resume.safetensors"


def save(path: Path, trainer: Trainer, identity: dict[str, Any]) -> None:
    """Write the trainer's whole state; `identity` says which training it is."""
    averaged, updates = trainer.average.state()
    tensors: dict[str, Tensor] = {"rng": torch.get_rng_state()}
    if trainer.device.type == "cuda":
        tensors["rng_cuda"] = torch.cuda.get_rng_state(trainer.device)
    tensors |= {f"task.{name}": t for name, t in trainer.task.state_dict().items()}
    tensors |= {f"average.{name}": t for name, t in averaged.items()}
    tensors |= {f"best.{name}": t for name, t in trainer.best.items()}
    for index, state in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    metadata = {"kind": "resume", "identity": identity, "updates": updates, "progress": asdict(trainer.progress)}
    tensor_file.write(path, tensors, metadata)


def restore(path: Path, trainer: Trainer, identity: dict[str, Any]) -> bool:
    """Take up the state at `path`, if there is one. Raises TrainingError when it belongs to another training."""
    if not path.exists():
        return False
    tensors, metadata = tensor_file.read(path)
    if metadata.get("identity") != json.loads(tensor_file.canonical(identity)):
        differing = [
            k for k, v in json.loads(tensor_file.canonical(identity)).items() if metadata["identity"].get(k) != v
        ]
        raise TrainingError(
            f"{path} holds a training that differs in {', '.join(differing) or 'its settings'}; "
            "choose another directory, or delete the file to begin anew"
        )
    trainer.task.load_state_dict(_below("task", tensors))
    trainer.average.restore(_below("average", tensors), metadata["updates"])
    trainer.best = {name: t.to(trainer.device) for name, t in _below("best", tensors).items()}
    _restore_optimizer(trainer.optimizer, _below("optimizer", tensors))
    trainer.progress = Progress(**metadata["progress"])
    torch.set_rng_state(tensors["rng"])
    if "rng_cuda" in tensors:
        torch.cuda.set_rng_state(tensors["rng_cuda"], trainer.device)
    return True


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(prefix + ".")}
