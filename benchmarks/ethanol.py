"""The main job, seed by seed, and mace-torch on the same frames: errors, minimum, frequencies, drift, time, memory.

    python benchmarks/ethanol.py run --seeds 0 1 2 --folder ethanol_runs
    python benchmarks/ethanol.py peer --seeds 0 1 2 --folder ethanol_runs --python .venv-mace/bin/python
    python benchmarks/ethanol.py report --folder ethanol_runs

`run` is `surrogates run ethanol` with that seed and an empty label cache. `peer` trains mace-torch in its own
environment (requirements-mace.txt) on the frames of that run, for the CPU seconds of one of our members. Each finished
run appends a line to FOLDER/rows.jsonl and is not repeated; `report` prints what is there.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "peer", "report"))
    parser.add_argument("--folder", type=Path, default=Path("ethanol_runs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, nargs="+", default=[240.0], help="CPU seconds of the peer's trainings")
    parser.add_argument("--python", default=".venv-mace/bin/python", help="interpreter of the peer's environment")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.what == "run":
        for seed in args.seeds:
            once(args.folder, {"what": "ours", "seed": seed}, lambda seed=seed: ours(args.folder, seed))
    elif args.what == "peer":
        for seed in args.seeds:
            for seconds in args.seconds:
                key = {"what": "mace-torch", "seed": seed, "seconds": seconds}
                once(args.folder, key, lambda s=seed, t=seconds: peer(args.folder, s, t, args.python))
    report(args.folder)


def once(folder: Path, key: dict, measure) -> None:
    """Measure what rows.jsonl does not hold yet, and append it there."""
    if not any(key.items() <= row.items() for row in rows(folder)):
        row = {**key, **measure(), "date": time.strftime("%Y-%m-%d")}
        with (folder / "rows.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def rows(folder: Path) -> list[dict]:
    """Finished rows of a folder."""
    path = folder / "rows.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def ours(folder: Path, seed: int) -> dict:
    """One main job in a process of its own."""
    recipe = folder / f"ethanol-{seed}.yaml"
    text = (files("surrogates.workflows") / "recipes" / "ethanol.yaml").read_text(encoding="utf-8")
    recipe.write_text(text.replace("name: ethanol", f"name: ethanol-{seed}").replace("seed: 0", f"seed: {seed}"))
    cache = {"SURROGATES_CACHE": str(folder.resolve() / f"cache-{seed}")}
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "surrogates", "run", str(recipe.resolve())]
    subprocess.run(command, cwd=folder, env={**os.environ, **cache, "OMP_NUM_THREADS": "1"}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.monotonic() - begin, "cpu": cpu, "peak_mb": after.ru_maxrss / 1024, **figures(folder, seed)}


def figures(folder: Path, seed: int) -> dict:
    """What the issue of a chemist turns on, from the results of the steps."""
    run = folder / "runs" / f"ethanol-{seed}"
    result = {
        name: json.loads((run / name / "result.json").read_text()) for name in ("scores", "minimum", "modes", "md")
    }
    scores, found = result["scores"]["scores"], {}
    for name in ("test", "probe"):
        row = scores[name]
        found[name] = {"force_mae": 1e3 * row["force_mae"], "energy_mae": 1e3 * row["energy_mae"]}
        band = row["spread_forces"]
        found[name] |= {k: band[k] for k in ("coverage", "terciles", "rank_correlation")}
        found[name]["foreign"] = row["foreign"]
    certified = result["minimum"]["structures"][0]["certified"]
    found |= {"rmsd": certified["rmsd"], "certified_calls": certified["calls"]}
    found |= {f"frequency_{k}": result["modes"]["compared"][0][k] for k in ("mean", "largest")}
    found |= {"drift": result["md"]["surrogate"]["drift"][0], "md_fs": result["md"]["surrogate"]["time"]}
    return found | {"speed": json.loads((run / "scores" / "timings.json").read_text())["speed"]}


def peer(folder: Path, seed: int, seconds: float, python: str) -> dict:
    """mace-torch on the same frames, in its own environment."""
    frames = folder / f"frames-{seed}"
    export(folder / "runs" / f"ethanol-{seed}" / "data", frames)
    paths = [str(frames / f"{name}.xyz") for name in ("train", "valid", "test", "probe")]
    options = ["--seconds", str(seconds), "--seed", str(seed)]
    command = [python, str(HERE / "peers" / "mace_ethanol.py"), *paths, *options]
    ran = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, text=True
    )
    return json.loads(ran.stdout.splitlines()[-1])


def export(data: Path, frames: Path) -> None:
    """The run's data as extxyz with keys that ASE leaves alone."""
    from ase import Atoms
    from ase.io import write

    from surrogates.datasets import Structures

    frames.mkdir(exist_ok=True)
    for name in ("train", "valid", "test", "probe"):
        stored, structures = Structures.open(data / f"{name}.h5"), []
        for k in range(len(stored)):
            sample = stored[k]
            atoms = Atoms(sample.numbers, sample.positions, info={"REF_energy": sample.energy})
            atoms.arrays["REF_forces"] = sample.forces
            structures.append(atoms)
        write(frames / f"{name}.xyz", structures, format="extxyz")


def report(folder: Path) -> None:
    """Rows by seed, then medians and ratios."""
    found = rows(folder)
    mine = [r for r in found if r["what"] == "ours"]
    for row in mine:
        print(json.dumps(row))
    for seconds in sorted({r["seconds"] for r in found if r["what"] == "mace-torch"}):
        theirs = [r for r in found if r["what"] == "mace-torch" and r["seconds"] == seconds]
        forces = [r["test"]["force_mae"] for r in theirs]
        energy = [r["test"]["energy_mae_without_offset"] for r in theirs]
        print(f"mace-torch, {seconds:g} CPU s: force MAE {forces} meV/Å, energy without offset {energy} meV/atom")
    if mine:
        for name in ("test", "probe"):
            for key in ("force_mae", "energy_mae", "coverage", "rank_correlation"):
                values = [r[name][key] for r in mine]
                print(f"ours, {name} {key}: {values}, mean {statistics.mean(values):.4g}")


if __name__ == "__main__":
    main()
