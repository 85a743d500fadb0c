"""Do 90 % bands of fields hold 90 % of the errors? Five splits of one data set, each trained, calibrated and scored.

    python benchmarks/field_coverage.py --minutes 0.5

Viscous Burgers on 128 points, 400 trajectories of nine frames, nu drawn from 0.01 to 0.03, one step of 0.1 from any
frame; two members. Also printed: coverage of rollouts frame by frame.
"""

import argparse
import json

import numpy as np
import torch

from surrogates.datasets.generators import burgers
from surrogates.evaluation.coverage import energy_band
from surrogates.operators.fno import FNO
from surrogates.simulation.rollout import rollout
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, combine, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.5, help="CPU minutes a member")
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = burgers(samples=400, points=128, nu=(0.01, 0.03), times=[0.1 * k for k in range(9)], seed=0)
    found = [one(data, split, args.minutes) for split in range(args.splits)]
    for row in found:
        print(json.dumps(row))
    print("mean coverage", round(float(np.mean([r["coverage"] for r in found])), 3))
    print("mean by tercile", np.round(np.mean([r["terciles"] for r in found], axis=0), 3).tolist())
    print("mean along rollouts", np.round(np.mean([r["rollout"] for r in found], axis=0), 3).tolist())


def one(data, split: int, minutes: float) -> dict:
    """Coverage on the test part of one split: all values, by third of the width, and by frame of a rollout."""
    train, valid, calibration, test = data.split(0.5, 0.05, 0.2, 0.25, seed=split)
    members = []
    for seed in (2 * split, 2 * split + 1):
        torch.manual_seed(seed)
        model = FNO(dim=1, modes=24, width=32, in_channels=1, out_channels=1, n_parameters=1, positions=False)
        task = OperatorMap(model, input="u[t]", target="u[t+1]", parameters="nu", conserve="u")
        plan = Plan(minutes=minutes, batch_size=32, lr=3e-3)
        members.append(fit(task, train, valid, plan=plan, seed=seed))
    fitted = combine(members).calibrate(calibration)
    scores = fitted.evaluate(test)
    band, rolled = scores.coverage["u"], rollout(fitted, test)
    inside = np.abs(rolled.fields["u"] - rolled.truth["u"]) <= energy_band(rolled.std["u"])
    return {
        "split": split,
        "relative_l2": scores.relative_l2,
        "coverage": band.coverage,
        "terciles": band.terciles,
        "rank_correlation": band.rank_correlation,
        "rollout": inside.mean(axis=(0, 2)).tolist(),
    }


if __name__ == "__main__":
    main()
