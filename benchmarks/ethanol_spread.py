"""Does the spread keep its promise on ethanol? Coverage, ranks and the out-of-data detector, for several seeds.

    python benchmarks/ethanol_spread.py ethanol_data ethanol_models --model mace --minutes 4 --seeds 0 1 2

Data (GFN2-xTB walkers, as in the ethanol recipe) are made in the first folder unless they are there; trained members
are kept in the second one and used again. Each seed trains two members and calibrates them together, and the first one
alone with its last layer. Prints one block a seed and the means; writes results_MODEL.json beside the models.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from ase.build import molecule
from scipy.stats import rankdata

from surrogates import load
from surrogates.datasets import Structures
from surrogates.datasets.collate import collate
from surrogates.datasets.generators import GFN2, generate
from surrogates.datasets.sample import Sample
from surrogates.evaluation.metrics import evaluate
from surrogates.potentials.mace import MACE
from surrogates.potentials.tensornet import TensorNet
from surrogates.tasks.energy import EnergyForces
from surrogates.training import Plan, fit
from surrogates.uncertainty import calibrate

WALKERS = {
    "train": {"temperature": 500, "samples": 480},
    "valid": {"temperature": 500, "samples": 120},
    "calibration": {"temperature": 500, "samples": 600},
    "test": {"temperature": 500, "samples": 200},
    "probe": {"temperature": 1000, "samples": 200},
}
MODELS = {
    "mace": lambda z: MACE(elements=z, r_max=5.0, hidden="32x0e + 32x1o", edge_l_max=2, correlation=3),
    "tensornet": lambda z: TensorNet(elements=z, r_max=5.0, channels=32),
}
RATES = {"mace": 0.01, "tensornet": 0.002}
# ethanol's bonds in ASE's order of atoms: the two ends, and the atoms that move with the second
BONDS = {"C-C": (0, 1, [1, 2, 3, 4, 5]), "C-O": (1, 2, [2, 3]), "O-H": (2, 3, [3]), "C-H": (0, 6, [6])}
RINGS = ("C3H6_D3h", "CH2OCH2", "cyclobutane", "C4H4O")


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    data = parts(Path(args.data))
    results = {"model": args.model, "minutes": args.minutes, "date": time.strftime("%Y-%m-%d")}
    for seed in args.seeds:
        members = [trained(args, data, 2 * seed + k) for k in range(2)]
        for name, chosen in (("two members", members), ("last layer", members[:1])):
            results[f"{name}, seed {seed}"] = row = measure(chosen, data)
            print(f"--- {name}, seed {seed}\n" + "\n".join(f"{k}: {v}" for k, v in row.items()), flush=True)
    for name in ("two members", "last layer"):
        rows = [results[f"{name}, seed {seed}"] for seed in args.seeds]
        numbers = [k for k, v in rows[0].items() if isinstance(v, float)]
        results[f"{name}, mean"] = mean = {k: float(np.mean([r[k] for r in rows])) for k in numbers}
        print(f"=== {name}, mean of seeds\n" + "\n".join(f"{k}: {v:.4g}" for k, v in mean.items()))
    (Path(args.models) / f"results_{args.model}.json").write_text(json.dumps(results, indent=1))


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of the data sets")
    parser.add_argument("models", help="folder of the trained members")
    parser.add_argument("--model", choices=MODELS, default="mace")
    parser.add_argument("--minutes", type=float, default=4.0, help="CPU minutes a member")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


def parts(folder: Path) -> dict[str, Structures]:
    """The five walkers, made where they are missing."""
    if not all((folder / f"{name}.h5").exists() for name in WALKERS):
        generate({"molecule": "CH3CH2OH"}, GFN2, WALKERS, directory=folder)
    return {name: Structures.open(folder / f"{name}.h5") for name in WALKERS}


def trained(args: argparse.Namespace, data: dict[str, Structures], seed: int) -> EnergyForces:
    """One member, from its file where it is there."""
    path = Path(args.models) / f"{args.model}_{args.minutes:g}min_{seed}.safetensors"
    if not path.exists():
        torch.manual_seed(seed)
        task = EnergyForces(MODELS[args.model](data["train"].elements))
        plan = Plan(minutes=args.minutes, batch_size=5, lr=RATES[args.model])
        fit(task, data["train"], data["valid"], plan=plan, seed=seed).save(path)
    return load(path).members[0]


def measure(members: list[EnergyForces], data: dict[str, Structures]) -> dict[str, object]:
    """Coverage on the test walker and on the probe, cost, and the detector's figures."""
    begin = time.process_time()
    spread = calibrate(members, data["train"], data["calibration"])
    row: dict[str, object] = {"calibration CPU s": time.process_time() - begin}
    errors = {}
    for part in ("test", "probe"):
        scores = evaluate(spread, data[part], spread=True)
        row |= {f"{part} force MAE": scores.force_mae, f"{part} energy MAE": scores.energy_mae}
        for kind in ("forces", "energy"):
            found = asdict(getattr(scores.spread, kind))
            row |= {f"{part} {kind} {k}": found[k] for k in ("coverage", "mean_width", "rank_correlation")}
            row |= {f"{part} {kind} tercile {k + 1}": share for k, share in enumerate(found["terciles"])}
        error = np.linalg.norm(scores.arrays["forces"] - scores.arrays["forces_reference"], axis=1)
        errors[part] = error.reshape(len(data[part]), -1).mean(axis=1)
    return row | detector(spread, data, errors) | cost(spread, members, data)


def detector(spread, data: dict[str, Structures], errors: dict[str, np.ndarray]) -> dict[str, object]:
    """False alarms at 500 K, and how well the score separates each kind of foreign structure from the test walker."""
    usual = score(spread, list(data["test"]))
    bad = errors["probe"] > 3 * np.median(errors["test"])
    foreign = {"1000 K, error above 3x the median": score(spread, [data["probe"][int(k)] for k in np.flatnonzero(bad)])}
    for name, bond in BONDS.items():
        for factor in (1.3, 1.5, 2.0):
            foreign[f"{name} x {factor}"] = score(spread, [stretched(s, *bond, factor) for s in data["test"][::4]])
    for name in RINGS:
        foreign[f"{name} opened"] = score(spread, opened(name))
    row: dict[str, object] = {"false alarms": float(np.mean(usual > spread.domain.threshold))}
    row["AUROC, all foreign structures"] = auroc(np.concatenate(list(foreign.values())), usual)
    row["AUROC, worst kind"] = min(auroc(s, usual) for s in foreign.values())
    row["bad frames of the probe"] = int(bad.sum())
    for name, found in foreign.items():
        row[f"AUROC {name}"] = auroc(found, usual)
        row[f"found {name}"] = float(np.mean(found > spread.domain.threshold))
    return row


def cost(spread, members: list[EnergyForces], data: dict[str, Structures]) -> dict[str, object]:
    """CPU milliseconds of one molecule: forces of the members, and the same with the spread."""
    atoms = collate([data["test"][0]], r_max=spread.r_max, dtype=torch.float32).atoms
    times = {}
    for name, wanted in (("plain", False), ("with spread", True)):
        rounds = []
        for _ in range(20):
            begin = time.process_time()
            spread.predict(atoms, spread=wanted)
            rounds.append(time.process_time() - begin)
        times[f"ms {name}"] = 1e3 * float(np.median(rounds))
    return {**times, "cost of spread": times["ms with spread"] / times["ms plain"]}


def score(spread, samples: list[Sample]) -> np.ndarray:
    """Out-of-data score of each sample."""
    if not samples:
        return np.zeros(0)
    return spread.domain.score(collate(samples, r_max=spread.r_max, dtype=torch.float64).atoms).numpy()


def stretched(sample: Sample, i: int, j: int, moving: list[int], factor: float) -> Sample:
    """The bond i-j made `factor` times as long."""
    positions = sample.positions.copy()
    positions[moving] += (factor - 1) * (positions[j] - positions[i])
    return replace(sample, positions=positions, energy=None, forces=None)


def opened(name: str) -> list[Sample]:
    """A small ring with one of its bonds broken: one end and the atoms nearest to it are pulled 0.6 bonds away."""
    ring, found = molecule(name), []
    distance = ring.get_all_distances()
    heavy = ring.numbers > 1
    i, j = next((i, j) for i, j in np.argwhere(distance < 1.6) if i > j and heavy[i] and heavy[j])
    moving = [k for k in range(len(ring)) if distance[k, j] < distance[k, i]]
    for seed in range(20):
        atoms = ring.copy()
        atoms.rattle(0.03, seed=seed)
        sample = Sample(atoms.numbers, atoms.positions, np.zeros((3, 3)), np.zeros(3, dtype=bool))
        found.append(stretched(sample, i, j, moving, 1.6))
    return found


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a foreign structure scores higher than a usual one."""
    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))[:n]
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m)) if n else float("nan")


if __name__ == "__main__":
    main()
