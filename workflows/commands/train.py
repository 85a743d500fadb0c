"""`surrogates train`: the recipe `own-data` without its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from surrogates.workflows.commands.run import continuing
from surrogates.workflows.commands.structures_file import check_folder
from surrogates.workflows.files import write_bytes
from surrogates.workflows.names import is_name
from surrogates.workflows.runner import run_workflow
from surrogates.workflows.schema import check_workflow
from surrogates.workflows.yaml_file import Document


def train_file(
    structures: Path, keys: dict[str, str], settings: dict[str, Any], save: Path, seed: int, runs: Path
) -> None:
    """Read, split, train, score; the checkpoint goes to `save`, the rest stays in the run directory.

    `settings` are keys of the step `train`; those that are None are left out.
    """
    if settings["minutes"] is None and settings["epochs"] is None:
        settings["minutes"] = 4.0
    data = _workflow(structures, keys, {k: v for k, v in settings.items() if v is not None}, seed)
    check_folder(save)
    workflow = check_workflow(Document("command line", Path.cwd(), data))
    with continuing():
        done = run_workflow(workflow, runs)
    write_bytes(save, (done.directory / "potential" / done["potential"].file).read_bytes())
    test = done["scores"]["test"]
    print(f"{save}: force MAE {1e3 * test.force_mae:.1f} meV/Å, energy MAE {1e3 * test.energy_mae:.2f} meV/atom")
    print(f"on {test.structures} structures kept apart; more in {done.directory}")


def beginning(
    model: str | None, start: Path | None, freeze: str, isolated: str | None, replay: Path | None
) -> dict[str, Any]:
    """Keys of the step `train` that say what is trained: a new potential, our MACE unless named, or a trained one."""
    found: dict[str, Any] = {"isolated": isolated, "start": None if start is None else str(start)}
    if model is not None or start is None:
        found["model"] = {"use": model or "surrogates.potentials.mace:MACE"}
    if freeze != "nothing":
        found["freeze"] = int(freeze) if freeze.isdigit() else freeze
    return found | {"replay": None if replay is None else {"train": str(replay)}}


def _workflow(structures: Path, keys: dict[str, str], settings: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        "surrogates": 1,
        "name": f"train-{structures.stem}" if is_name(f"train-{structures.stem}") else "train",
        "seed": seed,
        "steps": {
            "data": {"use": "read", "file": str(structures), **keys},
            "potential": {"use": "train", "data": "${data}", **settings},
            "scores": {"use": "evaluate", "calculator": "${potential}", "data": "${data.test}", "laws": False},
        },
    }
