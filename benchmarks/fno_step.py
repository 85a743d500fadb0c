"""CPU time and memory of one training step of an FNO, ours and neuraloperator's, at equal parameters, turn by turn.

    python benchmarks/fno_step.py --peer .venv-neuralop/bin/python        (see requirements-neuralop.txt)

Fields of 64 x 64 points, batch 16, modes 12, width 32, four layers, float32, one thread; a step is loss and gradient,
without the optimiser. Both sides are the same network (`TFNO` with dense weights is neuraloperator's FNO); its weights
are copied once to show it. Each side is a process of its own, and turns alternate, so that a busy machine slows both.
The floor is what the fast transforms of the four layers take alone, forward and backward (8 rfft2 and 8 irfft2).

Memory: "live" is what torch's tensors held at most during a step, parameters and input not counted; "RSS" is the peak
of the process over its size after the imports, which also has the allocator's gaps.

Then the tensorised operator against rank: numbers stored, time and live memory of a step on both sides, and how well
factors of this size hold given weights: heat kernels exp(-nu_io |f|^2) with another nu for each pair of channels, and
random numbers, which nothing can compress.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from surrogates.operators.tfno import TFNO
from surrogates.physics.tensors import cp_als, cp_rank, hooi, train_ranks, tt_svd, tucker_ranks

HERE = Path(__file__).parent
FORMS = ("tucker", "cp", "tt")


class Side:
    """A process that makes steps on request; see peers/neuralop_step.py."""

    def __init__(self, python: str, script: str, arguments: Sequence[object]) -> None:
        self.process = subprocess.Popen(
            [python, str(HERE / "peers" / script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        self.parameters = int(self._answer())

    def ask(self, command: str) -> float:
        assert self.process.stdin
        print(command, file=self.process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> str:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("answer"):
                return line.split()[1]
        raise SystemExit("a side stopped: is neuraloperator installed in the environment of --peer?")


def sides(peer: str, kind: str, rank: float, given: argparse.Namespace) -> dict[str, Side]:
    sizes = (kind, rank, given.batch, given.points, given.modes, given.width)
    return {
        "surrogates": Side(sys.executable, "our_step.py", sizes),
        "neuraloperator": Side(peer, "neuralop_step.py", sizes),
    }


def alternate(both: dict[str, Side], commands: Sequence[str], turns: int) -> dict[str, list[float]]:
    """Milliseconds of each command on each side, after one turn that warms up."""
    times: dict[str, list[float]] = {f"{name} {command}": [] for name in both for command in commands}
    for turn in range(turns + 1):
        for name, side in both.items():
            for command in commands if name == "surrogates" else commands[:1]:
                seconds = side.ask(f"{command} 2") / 2
                if turn:
                    times[f"{name} {command}"].append(1e3 * seconds)
    return times


def dense(given: argparse.Namespace) -> None:
    both = sides(given.peer, "dense", 1.0, given)
    counts = {name: side.parameters for name, side in both.items()}
    print(f"FNO, parameters: {counts}")
    times = alternate(both, ("step", "floor"), given.turns)
    for kind, choose in (("smallest", min), ("median", statistics.median)):
        ours, theirs = choose(times["surrogates step"]), choose(times["neuraloperator step"])
        floor = choose(times["surrogates floor"])
        print(
            f"step, CPU ms, {kind:8s}: ours {ours:6.1f}, neuraloperator {theirs:6.1f}, ratio {ours / theirs:.2f}, "
            f"fast transforms alone {floor:5.1f}"
        )
    for what in ("rss", "live"):
        ours, theirs = (side.ask(what) for side in both.values())
        print(f"{what:4s} peak MiB: ours {ours:6.1f}, neuraloperator {theirs:6.1f}, ratio {ours / theirs:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peer.pt"
        both["neuraloperator"].ask(f"save {path}")
        print(f"largest difference of results, weights copied: {difference(path, given):.1e}")
    for side in both.values():
        side.close()


def difference(path: Path, given: argparse.Namespace) -> float:
    """|ours - theirs| / |theirs|, largest, after their weights were put into our network."""
    saved = torch.load(path, weights_only=True)
    net = TFNO(dim=2, modes=given.modes, width=given.width, in_channels=1, out_channels=1, factorization="dense")
    theirs, ours = saved["state"], net.state_dict()
    for end, name in (("lift", "lifting"), ("project", "projection")):
        _copy_mlp(ours, end, theirs, f"{name}.fcs")
    for k, block in enumerate(net.blocks):
        _copy_mlp(ours, f"blocks.{k}.mlp", theirs, f"fno_blocks.channel_mlp.{k}.fcs")
        ours[f"blocks.{k}.pointwise.weight"].copy_(theirs[f"fno_blocks.fno_skips.{k}.conv.weight"].squeeze(-1))
        ours[f"blocks.{k}.pointwise.bias"].copy_(theirs[f"fno_blocks.convs.{k}.bias"].flatten())
        ours[f"blocks.{k}.gate.weight"].copy_(theirs[f"fno_blocks.channel_mlp_skips.{k}.weight"].flatten())
        block.spectral.weights.set(torch.fft.ifftshift(theirs[f"fno_blocks.convs.{k}.weight.tensor"], dim=2))
    with torch.no_grad():
        result = net(saved["values"])
    return ((result - saved["result"]).abs().max() / saved["result"].abs().max()).item()


def _copy_mlp(ours: dict[str, torch.Tensor], name: str, theirs: dict[str, torch.Tensor], other: str) -> None:
    for k, layer in enumerate(("first", "second")):
        ours[f"{name}.{layer}.weight"].copy_(theirs[f"{other}.{k}.weight"].squeeze(-1))
        ours[f"{name}.{layer}.bias"].copy_(theirs[f"{other}.{k}.bias"])


def against_rank(given: argparse.Namespace) -> None:
    kernels, noise = heat_kernels(given), torch.randn(given.width, given.width, 2 * given.modes, given.modes)
    print(
        "TFNO: form rank | numbers ours, theirs | step CPU ms ours, theirs | live MiB ours, theirs | error: heat, noise"
    )
    for form in FORMS:
        for rank in given.ranks:
            both = sides(given.peer, form, rank, given)
            times = alternate(both, ("step",), max(given.turns // 3, 1))
            step = [statistics.median(times[f"{name} step"]) for name in both]
            live = [side.ask("live") for side in both.values()]
            errors = [error(form, rank, weight) for weight in (kernels, noise)]
            counts = [side.parameters for side in both.values()]
            print(
                f"{form:6s} {rank:5.2f} | {counts[0]:8d} {counts[1]:8d} | {step[0]:6.1f} {step[1]:6.1f} | "
                f"{live[0]:6.1f} {live[1]:6.1f} | {errors[0]:.1e} {errors[1]:.2f}",
                flush=True,
            )
            for side in both.values():
                side.close()


def heat_kernels(given: argparse.Namespace) -> torch.Tensor:
    nu = torch.rand(given.width, given.width, generator=torch.Generator().manual_seed(0)) * 0.1
    k = given.modes
    along = torch.cat([torch.arange(k), torch.arange(-k, 0)])[:, None].square() + torch.arange(k).square()
    return torch.exp(-nu[:, :, None, None] * along)


def error(form: str, rank: float, weight: torch.Tensor) -> float:
    """Relative Frobenius error of the decomposition that a rank allows; components are found in 20 sweeps at most."""
    shape = weight.shape
    if form == "tucker":
        return hooi(weight, tucker_ranks(shape, rank), sweeps=3).error
    if form == "tt":
        return tt_svd(weight, train_ranks(shape, rank)).error
    return cp_als(weight, cp_rank(shape, rank), sweeps=20, generator=torch.Generator().manual_seed(0)).error


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", required=True, help="python of an environment with neuraloperator")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--modes", type=int, default=12)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--ranks", type=float, nargs="*", default=[0.5, 0.1, 0.05, 0.01], help="none: dense only")
    given = parser.parse_args()
    torch.set_num_threads(1)
    dense(given)
    if given.ranks:
        against_rank(given)


if __name__ == "__main__":
    main()
