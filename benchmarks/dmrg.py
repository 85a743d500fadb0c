"""Ground states of the open Heisenberg chain: CPU seconds of our DMRG beside quimb's and TeNPy's, turn by turn.

    python benchmarks/dmrg.py --peer .venv-chains/bin/python        (see requirements-chains.txt; about ten minutes)

Every side starts from a Neel state, grows its bonds to chi and stops when the energy settles to 1e-9; each search is a
process of its own on one thread, and turns alternate, so that a busy machine slows all. CPU seconds of the search are
counted, without imports; ours include building the operator and the variance of the answer, which the peers do not
give. "Sz" is ours and TeNPy's with the conserved magnetisation. Then our energies from a random state and from a
ferromagnet in a tilted basis, which is an eigenstate of the highest energy.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"


def main() -> None:
    """All sizes, starts and sides in turns; each run is a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="python of the environment that has quimb and TeNPy")
    parser.add_argument("--lengths", type=int, nargs="+", default=[64, 100])
    parser.add_argument("--chi", type=int, default=128)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    ours, theirs = (sys.executable, "our_ground_state.py"), (given.peer, "chain_ground_state.py")
    sides = {"ours": (*ours, "neel"), "ours Sz": (*ours, "Sz"), "quimb": (*theirs, "quimb")}
    sides |= {"TeNPy": (*theirs, "tenpy"), "TeNPy Sz": (*theirs, "tenpy-Sz")}
    for length in given.lengths:
        runs: dict[str, list[dict]] = {name: [] for name in sides}
        for _ in range(given.turns):
            for name, side in sides.items():
                runs[name].append(run(*side, length, given.chi))
        print(f"\nN = {length}, chi = {given.chi}")
        print(f"{'':14}{'energy':>20}{'sweeps':>8}{'CPU s':>10}{'(least)':>9}{'ours / it':>11}")
        base = statistics.median(r["seconds"] for r in runs["ours"])
        for name, found in runs.items():
            seconds = [r["seconds"] for r in found]
            middle = statistics.median(seconds)
            row = f"{found[0]['energy']:20.10f}{found[0]['sweeps']:8}{middle:10.2f}{min(seconds):9.2f}"
            print(f"{name:14}{row}{base / middle:11.2f}", flush=True)
        for start in ("random", "tilted"):
            found = run(*ours, start, length, given.chi)
            print(f"ours, {start:8}{found['energy']:20.10f}{found['sweeps']:8}{found['seconds']:10.2f}", flush=True)


def run(python: str, script: str, *arguments: object) -> dict:
    """One search in a process of its own."""
    command = [python, str(PEERS / script), *map(str, arguments)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(shown.splitlines()[-1])


if __name__ == "__main__":
    main()
