"""MMGP on plates with a hole: error against training size, floors, the band, peak stress, and the same design meshed anew.

    python benchmarks/mmgp.py --sizes 30 60 120 240 --splits 5

Plates of `surrogates.datasets.generators.plate`, 200 test designs a split. `relative_l2` is |error| / |truth| of von Mises
with the mass matrix, mean over meshes; `morph` and `floor` are what the way to the common mesh and back, and the modes
besides, cost without any regression; `trivial` is the best constant. `seconds` are CPU seconds of .fit, with its
leave-one-out; `remeshed` is the relative L2 change of a prediction when the same design is meshed with other edge lengths.
`certified` rows count conjugate gradients to 1e-8 from MMGP's displacement and from zero. Each finished row is appended to
FOLDER/rows.jsonl, not repeated.
"""  # noqa: E501

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from surrogates.datasets import Meshes
from surrogates.datasets.adapters.scikit_fem import from_skfem
from surrogates.datasets.generators import plate
from surrogates.datasets.generators.plate import meshed, plate_designs
from surrogates.meshes.interpolation import interpolation
from surrogates.meshes.mmgp import MMGP
from surrogates.meshes.pod import norms
from surrogates.physics.meshes.mass import consistent_mass
from surrogates.simulation.verify_meshes import verify_meshes

TEST = 200


def main() -> None:
    """Run what is missing in the folder, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[30, 60, 120, 240])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--remeshed", type=int, default=20, help="test designs meshed anew")
    parser.add_argument("--certified", type=int, default=10, help="test designs that the solver finishes")
    parser.add_argument("--folder", type=Path, default=Path("mmgp"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    data = plate(samples=max(args.sizes) + TEST, seed=0, directory=args.folder / "plates")
    for size in args.sizes:
        for split in range(args.splits):
            key = {"size": size, "split": split}
            if not any(row.items() >= key.items() for row in rows(args.folder)):
                add(args.folder, {**key, **scored(data, size, split, args.remeshed)})
    if args.certified and not any("certified" in row for row in rows(args.folder)):
        add(args.folder, {"certified": args.certified, **certified(data, args.certified)})
    for row in rows(args.folder):
        print(json.dumps(row))
    print(table(rows(args.folder)))


def rows(folder: Path) -> list[dict]:
    """Rows that are there already."""
    path = folder / "rows.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def add(folder: Path, row: dict) -> None:
    """One more row."""
    with (folder / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({**row, "date": time.strftime("%Y-%m-%d")}) + "\n")


def scored(data: Meshes, size: int, split: int, remeshed: int) -> dict:
    """One training."""
    train, test = data.split(size, TEST, seed=split)[:2]
    train = Meshes(list(train), units=train.units)  # read from files before the clock starts
    started = time.process_time()
    model = MMGP(["von_mises"], modes="auto").fit(train)
    seconds = time.process_time() - started
    started = time.process_time()
    found = model.evaluate(test).fields["von_mises"]
    each = (time.process_time() - started) / TEST
    row = {**vars(found), "modes": model.summary["von_mises"].modes, "shape_modes": model.shape_modes}
    row |= {"left_out": model.summary["von_mises"].left_out, "seconds": seconds, "evaluated": each}
    if remeshed:
        changes = [change(model, data, test[k]) for k in range(remeshed)]
        row |= {"remeshed": float(np.mean(changes)), "remeshed_most": float(np.max(changes))}
    return row


def change(model: MMGP, data: Meshes, sample: object) -> float:
    """Relative L2 change of the prediction on a mesh of the same design with edges 0.8 times as long."""
    settings, number = data.provenance["settings"], int(sample.group.split()[-1])
    (design,) = plate_designs(settings, range(number, number + 1))
    mesh = meshed(design.plate, 0.8 * settings["size"], 0.8 * settings["near"])
    other = from_skfem(mesh, fields={}, parameters=design.loads, units=sample.units)
    before, after = (model.predict(s).fields["von_mises"] for s in (sample, other))
    carried = interpolation(other.points, other.cells, sample.points) @ after
    mass = consistent_mass(sample.points, sample.cells)
    return float(norms((carried - before)[None, :, None], mass)[0] / norms(before[None, :, None], mass)[0])


def certified(data: Meshes, count: int) -> dict:
    """Iterations of the solver from the predicted displacement and from zero."""
    train, test = data.split(min(120, len(data) - TEST), TEST, seed=0)[:2]
    model = MMGP(["displacement"]).fit(train)
    found = verify_meshes([model.predict(test[k]) for k in range(count)], test[:count], tolerance=1e-8)
    scores = {"iterations": float(found.iterations.mean()), "alone": float(found.alone.mean())}
    return scores | {"energy_error": float(found.error.mean()), "begun": float(found.begun.mean())}


def table(found: list[dict]) -> str:
    """Means over splits by training size."""
    names = [
        "relative_l2",
        "morph",
        "floor",
        "left_out",
        "coverage",
        "peak_error",
        "peak_coverage",
        "remeshed",
        "seconds",
    ]
    lines = ["size  " + "  ".join(names) + "  terciles"]
    for size in sorted({row["size"] for row in found if "size" in row}):
        mine = [row for row in found if row.get("size") == size]
        means = [f"{np.mean([row[n] for row in mine]):.4f}" for n in names if all(n in row for row in mine)]
        terciles = np.array([row["terciles"] for row in mine])
        lines.append(f"{size}  {'  '.join(means)}  {terciles.min(0).round(3)} to {terciles.max(0).round(3)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
