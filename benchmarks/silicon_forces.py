"""CPU time and memory of energy and forces of silicon through ASE calculators, ours and the peer's, turn by turn.

    python benchmarks/silicon_forces.py mace --peer .venv-mace/bin/python             (see requirements-mace.txt)
    python benchmarks/silicon_forces.py tensornet --peer .venv-torchmd/bin/python     (see requirements-torchmd.txt)

mace: 128x0e + 128x1o, edge l <= 3, correlation 3, two layers, 5 Å, at 64, 216 and 512 atoms in float32 and float64,
against mace-torch with the default allocator and with glibc told to keep large blocks (tuned). tensornet: 128 channels,
32 radial functions, one and two layers, 5 Å, at 216 atoms in float32, against torchmd-net. Weights are random, all
atoms move a little before each turn, one thread; turns of all sides alternate, so that a busy machine slows all of
them. Printed are medians in ms per atom, peak memory above that after the imports, and ratios.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

TUNED = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_TOP_PAD_": str(2**26)}
SIDE = Path(__file__).parent / "peers" / "silicon_side.py"


class Side:
    """A process that computes energy and forces when told to."""

    def __init__(self, python: str, model: str, atoms: int, dtype: str, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [python, str(SIDE), model, str(atoms), dtype],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", **environment},
        )
        self.times: list[float] = []
        self.parameters = int(self.answer("ready"))

    def answer(self, word: str) -> float:
        """The number behind `word` in what it says next. Ends the run where it has stopped."""
        for line in self.process.stdout:
            if line.startswith(word + " "):
                return float(line.split()[1])
        raise SystemExit(f"{' '.join(self.process.args)} stopped: is the peer installed in its environment?")

    def turn(self, keep: bool) -> None:
        """One calculation; its CPU seconds are kept or forgotten."""
        print("go", file=self.process.stdin, flush=True)
        seconds = self.answer("seconds")
        if keep:
            self.times.append(seconds)

    def close(self) -> float:
        """End the process; its peak memory above that after the imports, MB."""
        self.process.stdin.close()
        peak = self.answer("peak")
        self.process.wait()
        return peak


def compare(sides: dict[str, tuple[str, str, dict[str, str]]], atoms: int, dtype: str, turns: int) -> None:
    """Turns of all sides one after the other, then medians and ratios; the first three turns are not kept."""
    running = {name: Side(python, model, atoms, dtype, env) for name, (python, model, env) in sides.items()}
    for turn in range(turns + 3):
        for side in running.values():
            side.turn(keep=turn >= 3)
    first, *_ = running
    peaks = {name: side.close() for name, side in running.items()}
    ms = {name: 1e3 * statistics.median(side.times) / atoms for name, side in running.items()}
    for name, side in running.items():
        print(
            f"{atoms:5d} atoms {dtype} {name:20s} {ms[name]:7.3f} ms/atom ({ms[name] / ms[first]:5.2f}x ours) "
            f"{peaks[name]:7.0f} MB ({peaks[name] / peaks[first]:5.2f}x) {side.parameters} parameters",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["mace", "tensornet"])
    parser.add_argument("--peer", required=True, help="python of the peer's environment")
    parser.add_argument("--atoms", type=int, nargs="+")
    parser.add_argument("--dtypes", nargs="+")
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    if given.model == "mace":
        sides = {
            "surrogates": (sys.executable, "mace", {}),
            "mace-torch": (given.peer, "mace-torch", {}),
            "mace-torch, tuned": (given.peer, "mace-torch", TUNED),
        }
        for dtype in given.dtypes or ["float32", "float64"]:
            for atoms in given.atoms or [64, 216, 512]:
                compare(sides, atoms, dtype, given.turns)
        return
    for layers in (1, 2):
        sides = {
            f"surrogates, {layers}": (sys.executable, f"tensornet{layers}", {}),
            f"torchmd-net, {layers}": (given.peer, f"torchmd-net{layers}", {}),
        }
        for dtype in given.dtypes or ["float32"]:
            for atoms in given.atoms or [216]:
                compare(sides, atoms, dtype, given.turns)


if __name__ == "__main__":
    main()
