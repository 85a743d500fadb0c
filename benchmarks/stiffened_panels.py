"""Plates as vertices beside finite-element nodes as vertices, on stiffened panels, after equal CPU time.

    python benchmarks/stiffened_panels.py panels_data --minutes 2.5 --seeds 0 1 2

The claim of Graph Neural Network for Stress Predictions in Stiffened Panels Under Uniform Loading (arXiv:2309.13022).
Shells of MITC4 quadrilaterals under a uniform pressure, three thickness classes of each part; 260 panels with 2 to 4
stiffeners to train on, 40 to validate; 60 others with 2 to 4, and 100 with 5 to 6, which no training saw. Both models
are the same GraphSAGE (width 64, depth 10; the plate graph's diameter is at most 8), trained by the same task and loss;
each has the batch size that suits it. Errors: peak von Mises stress (mean absolute, relative), Spearman's rank
correlation of panels by peak, relative L2 of the field at nodes. Memory is what a training step on 8 panels keeps for
its backward pass. Runs alternate between models; each is a row of results.jsonl in the folder, is not repeated when it
is there, and goes on where it was stopped. The whole takes about 19 CPU minutes, 2 of them for the data.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from surrogates.datasets import Meshes
from surrogates.datasets.generators import panels
from surrogates.meshes.plate_graph import PlateGraphNet
from surrogates.meshes.vertex_graph import VertexGraphNet
from surrogates.tasks.plate_stress import PlateStress
from surrogates.training import Plan, fit

PARTS = {"train": (260, (2, 4)), "valid": (40, (2, 4)), "near": (60, (2, 4)), "far": (100, (5, 6))}
MODELS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "plates": (PlateGraphNet, 8),
    "nodes": (VertexGraphNet, 2),
    "plates-without-mirrors": (lambda: PlateGraphNet(mirrors=()), 8),
    "nodes-mean": (lambda: VertexGraphNet(aggregators=("mean",)), 2),
}


def main() -> None:
    """Run what is missing in the folder, then print the table."""
    given = arguments()
    torch.set_num_threads(1)
    folder = Path(given.folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {name: data(folder, name, seed) for seed, name in enumerate(PARTS)}
    results = folder / "results.jsonl"
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for seed in given.seeds:
        for name in given.models:
            wanted = {"model": name, "minutes": given.minutes, "seed": seed}
            if any(wanted.items() <= row.items() for row in rows):
                continue
            rows.append(wanted | run(name, seed, given.minutes, parts, folder))
            with results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(json.dumps(rows[-1]), flush=True)
    summary([row for row in rows if row["minutes"] == given.minutes])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="of data and results, made where it is missing")
    parser.add_argument("--minutes", type=float, default=2.5, help="CPU minutes of training a run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["plates", "nodes"])
    return parser.parse_args()


def data(folder: Path, name: str, seed: int) -> Meshes:
    """One part, from its folder where it is there."""
    samples, stiffeners = PARTS[name]
    start = time.process_time()
    made = panels(samples, stiffeners, seed=seed, directory=folder / name)
    if (spent := time.process_time() - start) > 5:
        print(f"{name}: {samples} panels in {spent:.0f} CPU s", flush=True)
    return Meshes(list(made), provenance=made.provenance, units=made.units)


def run(name: str, seed: int, minutes: float, parts: dict[str, Meshes], folder: Path) -> dict[str, object]:
    """Train one model and measure it."""
    torch.manual_seed(seed)
    make, batch_size = MODELS[name]
    task = PlateStress(make())
    plan = Plan(minutes=minutes, batch_size=batch_size, lr=2e-3, warmup=0.05, validations=10)
    graphs, valid = task.gather(parts["train"]), task.gather(parts["valid"])
    for part in (graphs, valid):
        for k in range(len(part)):  # graphs are made before the clock starts, for both
            part[k]
    state = folder / f"{name}_{minutes:g}min_{seed}"
    fitted = fit(task, graphs, valid, plan=plan, seed=seed, directory=state)
    steps, seconds = fitted.provenance["steps"], fitted.timings["seconds"]
    found: dict[str, object] = {"parameters": sum(p.numel() for p in task.parameters()), "steps": steps}
    found |= {"CPU s an epoch": seconds / steps * len(graphs) / batch_size, "CPU s": seconds}
    found["MB a step of 8"] = memory(task, graphs)
    for part in ("near", "far"):
        start = time.process_time()
        scores = task.evaluate(parts[part])
        found[f"{part} ms a panel"] = 1e3 * (time.process_time() - start) / len(parts[part])
        found |= {f"{part} peak": scores.peak_error, f"{part} rank": scores.rank_correlation}
        found |= {f"{part} L2": scores.relative_l2, f"{part} trivial peak": scores.peak_error_trivial}
    return found


def memory(task: PlateStress, graphs: object) -> float:
    """MB that a training step on the first 8 panels keeps for its backward pass, weights left out."""
    batch = task.collate([graphs[k] for k in range(8)])  # type: ignore[index]
    known = {p.untyped_storage().data_ptr() for p in task.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _ = task.loss(batch, task.default_weights)
    del loss
    return sum(kept.values()) / 1e6


def summary(rows: list[dict]) -> None:
    """Mean and standard deviation over seeds."""
    for name in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == name]
        told = []
        for part in ("near", "far"):
            for key, factor, unit in (("peak", 100, " %"), ("rank", 1, ""), ("L2", 100, " %")):
                values = factor * np.array([row[f"{part} {key}"] for row in own])
                told.append(f"{part} {key} {values.mean():.3g} ({values.std():.2g}){unit}")
        usual = {
            key: float(np.mean([row[key] for row in own])) for key in ("CPU s an epoch", "MB a step of 8", "steps")
        }
        costs = ", ".join(f"{key} {value:.3g}" for key, value in usual.items())
        print(f"{name:24} {own[0]['parameters']} numbers, {len(own)} seeds: {'; '.join(told)}; {costs}")


if __name__ == "__main__":
    main()
