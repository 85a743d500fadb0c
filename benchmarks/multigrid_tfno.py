"""MG-TFNO: patches put together again, memory against level, error against compression; neuraloperator's beside ours.

    python benchmarks/multigrid_tfno.py patches --peer .venv-neuralop/bin/python
    python benchmarks/multigrid_tfno.py memory --peer .venv-neuralop/bin/python
    python benchmarks/multigrid_tfno.py curve --minutes 10 --out mgtfno.jsonl

The peer lives in an environment of its own: pip install torch==2.13.0, then neuraloperator==2.0.0.

`patches`: random fields of 64, 96, 100 and 127 pixels a side are cut at levels 1 to 4 and put together again; the
largest difference to the field, and whether the peer's windows (every 2^l-th pixel, no averages) are ours to the bit.
`memory`: what one process held at most beyond what it held before, for one field of 512 x 512 pixels: a training step
(forward, backward) and an evaluation, each in a fresh process. Ours takes --at-once patches at a time and computes them
once more in the backward pass; the peer takes all patches at once. The C library is told to give freed memory back, so
that what counts is what is in use. CPU seconds are those of the step.
`curve`: test error of MG-TFNO with one tensor for all layers (Tucker, CP, tensor train) and the dense operator against
the fraction of spectral parameters kept: Kolmogorov flow, vorticity a quarter of a time unit ahead, relative H1 loss,
equal CPU minutes a run. A run's line is appended to --out when it ends, and lines that are there are not run again.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

SIDES, LEVELS = (64, 96, 100, 127), (1, 2, 3, 4)
LAG = 0.25
SETTINGS = ("minutes", "level", "points", "samples", "modes", "width")
PEER = Path(__file__).parent / "peers" / "neuralop_patching.py"


def patches(given: argparse.Namespace) -> None:
    from surrogates.blocks.multigrid_patches import EveryNth, MultigridPatches

    fields = {n: torch.randn(1, 1, n, n, generator=torch.Generator().manual_seed(n)) for n in SIDES}
    for padding in (0.0, 0.1):
        theirs = peer_patches(given.peer, fields, padding) if given.peer else {}
        for n, field in fields.items():
            for level in LEVELS:
                start = time.process_time()
                cut = MultigridPatches(levels=level, padding=padding, restriction=EveryNth())
                windows = cut(field)
                gap = (cut.stitch(cut.crop(windows[:, :1], (n, n)), (n, n)) - field).abs().max().item()
                milliseconds = 1e3 * (time.process_time() - start)
                result, other = theirs.get(f"{n}/{level}/result", "-"), theirs.get(f"{n}/{level}/windows")
                same = "" if other is None else f" windows equal: {np.array_equal(other, windows.numpy())}"
                print(
                    f"padding {padding:.1f}  {n:3d} pixels  level {level}  windows {windows.shape[2]:2d}  "
                    f"ours {gap:.0e} ({milliseconds:4.1f} ms)  neuraloperator {result}{same}"
                )


def peer_patches(python: str, fields: dict, padding: float) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("fields.npz", "answers.npz")]
        np.savez(paths[0], **{str(n): field.numpy() for n, field in fields.items()})
        subprocess.run([python, str(PEER), "patches", *paths, str(max(LEVELS)), str(padding)], check=True)
        return dict(np.load(paths[1]))


def memory(given: argparse.Namespace) -> None:
    """Our level with one patch at a time and with all, and the peer's, each in a process of its own."""
    rows = [("ours", level, what) for level in given.levels for what in ("train", "evaluate")]
    rows += [("all at once", level, "train") for level in given.levels if 0 < level < 3]
    rows += [("neuraloperator", level, "train") for level in given.levels if level < 3]
    frank = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # freed memory goes back: what is in use is measured
    numbers = [given.padding, given.side, given.modes, given.width, given.rank]
    for who, level, what in rows:
        mine = [sys.executable, __file__, "one", "--who", who, "--levels", str(level), "--what", what]
        mine += ["--padding", str(given.padding), "--side", str(given.side), "--modes", str(given.modes)]
        mine += ["--width", str(given.width), "--rank", str(given.rank), "--at-once", str(given.at_once)]
        theirs = [str(given.peer), str(PEER), "memory", str(level), *map(str, numbers), what]
        if who == "neuraloperator" and not given.peer:
            continue
        command = theirs if who == "neuraloperator" else mine
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=frank)
        said = json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip().splitlines()[-1]}
        print(json.dumps({"who": who, "level": level, "what": what, **said}), flush=True)


def curve(given: argparse.Namespace) -> None:
    """One run a form and fraction, those that --out does not hold yet."""
    done = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    wanted = [("dense", 1.0), *((f"joint {form}", rank) for rank in given.ranks for form in ("tucker", "cp", "tt"))]
    settings = {name: getattr(given, name) for name in SETTINGS}
    data = None
    for seed in range(given.seeds):
        for factorization, rank in wanted:
            key = {"factorization": factorization, "rank": rank, "seed": seed, **settings}
            if any(key.items() <= line.items() for line in done):
                continue
            data = flow(given) if data is None else data
            line = {**key, **train(given, factorization, rank, seed, data)}
            with given.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)


def flow(given: argparse.Namespace) -> tuple[torch.Tensor, ...]:
    """Vorticity now and `LAG` later, of training and of test trajectories; scaled to unit standard deviation."""
    from surrogates.datasets.generators import navier_stokes

    start = time.process_time()
    made = navier_stokes(given.samples, given.points, 1e-3, 0, forcing="kolmogorov", times=[k * LAG for k in range(11)])
    w = torch.from_numpy(made.stack("w")).float()
    print(f"{given.samples} trajectories, {time.process_time() - start:.0f} CPU s", flush=True)
    train_part, test_part = (w / w.std()).split([len(w) - len(w) // 4, len(w) // 4])
    return tuple(
        part[:, frames].flatten(0, 1).unsqueeze(1) for part in (train_part, test_part)
        for frames in (slice(0, -1), slice(1, None))
    )  # fmt: skip


def train(given: argparse.Namespace, factorization: str, rank: float, seed: int, data: tuple) -> dict:
    """Adam, batches of 8, learning rate 2e-3 falling to zero as a cosine of the CPU time that is left."""
    from surrogates.blocks.field_losses import relative_h1, relative_l2
    from surrogates.blocks.multigrid_patches import MultigridPatches
    from surrogates.operators.multigrid_tfno import MGTFNO

    torch.manual_seed(seed)
    patches = MultigridPatches(levels=given.level, padding=given.padding)
    model = MGTFNO(dim=2, modes=given.modes, width=given.width, in_channels=1, out_channels=1, patches=patches,
                   factorization=factorization, rank=rank)  # fmt: skip
    adam = torch.optim.Adam(model.parameters(), lr=2e-3)
    x, y, x_test, y_test = data
    steps, start = 0, time.process_time()
    while (spent := (time.process_time() - start) / (60 * given.minutes)) < 1:
        adam.param_groups[0]["lr"] = 2e-3 * (1 + math.cos(math.pi * spent)) / 2
        rows = torch.randint(len(x), (8,))
        loss = relative_h1(model(x[rows]), y[rows], spacing=1 / given.points, periodic=True).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        steps += 1
    with torch.no_grad():
        guess = torch.cat([model(part) for part in x_test.split(8)])
    spectral = 2 * 4 * given.width**2 * 2 * given.modes**2
    numbers = sum(p.numel() for n, p in model.named_parameters() if n.startswith("joint") or "spectral" in n)
    return {
        "kept": round(numbers / spectral, 4),
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": steps,
        "test_l2": relative_l2(guess, y_test).mean().item(),
        "test_h1": relative_h1(guess, y_test, spacing=1 / given.points, periodic=True).mean().item(),
        "persistence_l2": relative_l2(x_test, y_test).mean().item(),
    }


def one(given: argparse.Namespace) -> None:
    """One step of our operator; its peak memory as a line of JSON."""
    from surrogates.blocks.multigrid_patches import MultigridPatches
    from surrogates.operators.multigrid_tfno import MGTFNO

    tiny = MultigridPatches(levels=1, padding=0.1, at_once=1)
    network = MGTFNO(dim=2, modes=2, width=2, in_channels=1, out_channels=1, patches=tiny)
    network(torch.randn(1, 1, 16, 16)).sum().backward()  # what torch imports on first use is not the step's memory
    torch.manual_seed(0)
    at_once = given.at_once if given.who == "ours" else None
    patches = MultigridPatches(levels=given.levels[0], padding=given.padding, at_once=at_once)
    model = MGTFNO(dim=2, modes=given.modes, width=given.width, in_channels=1, out_channels=1, rank=given.rank,
                   patches=patches)  # fmt: skip
    field = torch.randn(1, 1, given.side, given.side)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with torch.set_grad_enabled(given.what == "train"):
        loss = (model(field) - field).square().mean()
        if given.what == "train":
            loss.backward()
    seconds, after = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    windows = [axis.window for axis in patches.axes(field.shape[2:])]
    print(json.dumps({"megabytes": round((after - before) / 1024), "cpu_s": round(seconds, 1), "windows": windows,
                      "parameters": sum(p.numel() for p in model.parameters())}))  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["patches", "memory", "curve", "one"])
    parser.add_argument("--peer", help="python of an environment with neuraloperator")
    parser.add_argument("--levels", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--modes", type=int, default=16)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--padding", type=float, default=0.03)
    parser.add_argument("--rank", type=float, default=0.1)
    parser.add_argument("--at-once", type=int, default=1, help="patches that ours takes at a time")
    parser.add_argument("--who", default="ours")
    parser.add_argument("--what", choices=["train", "evaluate"], default="train")
    parser.add_argument("--out", type=Path, default=Path("mgtfno.jsonl"))
    parser.add_argument("--ranks", type=float, nargs="*", default=[1.0, 0.5, 0.1, 0.05, 0.01])
    parser.add_argument("--minutes", type=float, default=10.0, help="CPU minutes a run of the curve")
    parser.add_argument("--level", type=int, default=0, help="of patches in the curve")
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--samples", type=int, default=64, help="trajectories; the last quarter is for tests")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    {"patches": patches, "memory": memory, "curve": curve, "one": one}[given.part](given)
