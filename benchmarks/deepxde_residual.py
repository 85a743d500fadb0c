"""Scripts of DeepXDE users with our Residual in place of nested dde.grad calls: the same losses, and CPU seconds.

    python benchmarks/deepxde_residual.py                                 # all scripts, about six CPU minutes
    python benchmarks/deepxde_residual.py --only Burgers --seconds 10

Each script (benchmarks/peers/deepxde_scripts.py) is trained twice by DeepXDE's own Model.train from the same seed: with
the user's residual, and with Residual. First column: the largest relative difference of any loss term over --same
steps, in float64, and in float32 (where both sides round, the deeper their nesting the more). Then CPU seconds a step
in float32, blocks of the two sides alternating in one process, and their ratio: the median over blocks. Both sides do
all that DeepXDE's loop does; nothing but the residual differs. One thread.
"""

import argparse
import contextlib
import io
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from surrogates.blocks.deepxde import deepxde
from surrogates.pinns import Residual

sys.path.insert(0, str(Path(__file__).parent))
from peers.deepxde_scripts import SCRIPTS, Script

dde = deepxde()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="scripts whose name contains this")
    parser.add_argument("--same", type=int, default=50, help="steps whose losses are compared")
    parser.add_argument("--seconds", type=float, default=25, help="CPU seconds of timing a script")
    parser.add_argument("--blocks", type=int, default=7, help="blocks of each side that alternate")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, DeepXDE {dde.__version__}, {given}")
    print(f"{'script':26}{'losses differ by':>24}{'ms a step':>20}{'ratio':>8}{'(blocks)':>16}")
    print(f"{'':26}{'float64':>12}{'float32':>12}{'theirs':>10}{'ours':>10}")
    for name, make in SCRIPTS.items():
        if given.only.lower() in name.lower():
            double, single = difference(make, "float64", given.same), difference(make, "float32", given.same)
            theirs, ours = seconds(make, given.seconds, given.blocks)
            ratios = theirs / ours
            spread = f"{ratios.min():.2f}-{ratios.max():.2f}"
            times = f"{1e3 * np.median(theirs):10.2f}{1e3 * np.median(ours):10.2f}"
            print(f"{name:26}{double:12.1e}{single:12.1e}{times}{np.median(ratios):8.2f}{spread:>16}", flush=True)


def difference(make: Any, precision: str, steps: int) -> float:
    """The largest relative difference of a loss term between the two sides, over every one of the steps."""
    found = []
    for side in ("theirs", "ours"):
        model = compiled(make, side, precision)
        history, _ = quietly(model.train, iterations=steps, display_every=1, verbose=0)
        found.append(np.array(history.loss_train, dtype=np.float64))
    theirs, ours = found
    return float((np.abs(ours - theirs) / np.abs(theirs).clip(1e-12)).max())


def seconds(make: Any, budget: float, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """CPU seconds a step of each side, block by block."""
    models = [compiled(make, side, "float32") for side in ("theirs", "ours")]
    warm = [steps_of(model, 3) for model in models]
    count = max(2, int(budget / blocks / sum(warm)))
    times = np.array([[steps_of(model, count) for model in models] for _ in range(blocks)])
    return times[:, 0], times[:, 1]


def steps_of(model: Any, count: int) -> float:
    """CPU seconds of one step of Model.train, its own displays left out of the way."""
    begin = time.process_time()
    quietly(model.train, iterations=count, display_every=10**9, verbose=0)
    return (time.process_time() - begin) / count


def compiled(make: Any, side: str, precision: str) -> Any:
    """The script's Model from the same seed, with the user's residual or with ours."""
    quietly(dde.config.set_default_float, precision)
    dde.config.set_random_seed(0)
    script: Script = make()
    net = dde.nn.FNN(script.sizes, "tanh", "Glorot normal")
    if script.transform is not None:
        net.apply_output_transform(script.transform)
    pde = script.theirs if side == "theirs" else Residual(net, script.ours)
    model = dde.Model(script.problem(pde), net)
    quietly(model.compile, "adam", lr=1e-3)
    return model


def quietly(call: Any, *args: Any, **kwargs: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return call(*args, **kwargs)


if __name__ == "__main__":
    main()
