"""CPU time of one training step of MACE, ours and mace-torch's, on the same frames, turn by turn.

    python benchmarks/mace_training_step.py --peer .venv-mace/bin/python        (see requirements-mace.txt)

Five rattled ethanol molecules, 32x0e + 32x1o, correlation 3, two layers, float32, one thread; a step is the loss on
energies and forces with its gradient by all weights, without the optimiser. Turns alternate, so that a busy machine
slows both; the smallest and the median CPU time of a turn are printed, and their ratios.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from ase.build import molecule
from ase.io import write

from surrogates.datasets.adapters.ase import from_ase
from surrogates.potentials.mace import MACE
from surrogates.tasks.energy import energy_forces

R_MAX = 5.0


def frames(n: int) -> list:
    """`n` rattled ethanol molecules."""
    rattled = [molecule("CH3CH2OH") for _ in range(n)]
    for seed, atoms in enumerate(rattled):
        atoms.rattle(0.05, seed=seed)
    return rattled


class Ours:
    """Our side: one batch and a model of random weights."""

    def __init__(self, structures: list) -> None:
        self.atoms = from_ase(structures, dtype=torch.float32).with_edges(R_MAX)
        self.model = MACE(elements=["H", "C", "O"], r_max=R_MAX)
        self.model.set_statistics(avg_num_neighbors=self.atoms.edges.shape[1] / len(self.atoms.numbers))
        self.labels = torch.zeros_like(self.atoms.positions)

    def forces(self) -> None:
        """Energy and forces of the batch."""
        energy_forces(self.model, replace(self.atoms))

    def step(self) -> None:
        """One training step without the optimizer."""
        out = energy_forces(self.model, self.atoms, create_graph=True)
        loss = (out.forces - self.labels).square().mean() + out.energy.square().mean()
        self.model.zero_grad(set_to_none=True)
        loss.backward()

    def seconds(self, what: str, n: int) -> float:
        """CPU seconds of `n` calls of `what`."""
        start = time.process_time()
        for _ in range(n):
            getattr(self, what)()
        return time.process_time() - start


class Peer:
    """A process of mace-torch that works when told to."""

    def __init__(self, python: str, path: Path) -> None:
        script = Path(__file__).parent / "peers" / "mace_step.py"
        self.process = subprocess.Popen(
            [python, str(script), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"OMP_NUM_THREADS": "1"},
        )

    def seconds(self, what: str, n: int) -> float:
        """CPU seconds of `n` calls of `what`, as the process measured them."""
        assert self.process.stdin
        assert self.process.stdout
        print(what, n, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("seconds"):
                return float(line.split()[1])
        raise SystemExit("the peer stopped: is mace-torch installed in the environment of --peer?")

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="python of an environment with mace-torch")
    parser.add_argument("--structures", type=int, default=5)
    parser.add_argument("--turns", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    structures = frames(given.structures)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.xyz"
        write(path, structures, format="extxyz")
        sides = {"surrogates": Ours(structures), "mace-torch": Peer(given.peer, path)}
        for what in ("step", "forces"):
            times = {name: [] for name in sides}
            for turn in range(given.turns + 1):
                for name, side in sides.items():
                    seconds = side.seconds(what, 5) / 5
                    if turn:  # the first one warms up
                        times[name].append(1e3 * seconds)
            for kind, choose in (("smallest", min), ("median", statistics.median)):
                ours, theirs = (choose(times[name]) for name in sides)
                print(f"{what:7s}{kind:9s} ours {ours:6.1f} ms, mace-torch {theirs:6.1f} ms, ratio {theirs / ours:.2f}")
        sides["mace-torch"].close()


if __name__ == "__main__":
    main()
