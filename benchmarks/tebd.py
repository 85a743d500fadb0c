"""A Neel state under the Heisenberg chain: CPU seconds of our TEBD beside TeNPy's, turn by turn, and their observables.

    python benchmarks/tebd.py --peer .venv-chains/bin/python        (see requirements-chains.txt; about two minutes)

Order 2, complex numbers, no conserved charges, one thread. Both cut to chi; ours gives up a weight of 1e-14 a cut,
TeNPy values whose square is below 1e-14. Each run is a process of its own; CPU seconds are without imports.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "peers" / "chain_quench.py"


def main() -> None:
    """Both sides in turns, and how far their observables differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="python of the environment that has TeNPy")
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--chi", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--dt", type=float, default=0.05)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    numbers = [str(x) for x in (given.length, given.chi, given.steps, given.dt)]
    runs: dict[str, list[dict]] = {"ours": [], "tenpy": []}
    for _ in range(given.turns):
        for side, python in (("ours", sys.executable), ("tenpy", given.peer)):
            command = [python, str(SCRIPT), side, *numbers]
            shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            runs[side].append(json.loads(shown.splitlines()[-1]))
    ours, theirs = (statistics.median(r["seconds"] for r in runs[side]) for side in ("ours", "tenpy"))
    print(f"N = {given.length}, chi = {given.chi}, {given.steps} steps of {given.dt}, CPU s, median of {given.turns}")
    print(f"ours {ours:.2f}, TeNPy {theirs:.2f}, ours / TeNPy {ours / theirs:.2f}")
    a, b = runs["ours"][0], runs["tenpy"][0]
    apart = max(abs(x - y) for x, y in zip(a["sz"], b["sz"], strict=True))
    print(
        f"<Sz> of all sites differ by {apart:.1e} at most, entropy at the middle {a['entropy']:.8f}, {b['entropy']:.8f}"
    )


if __name__ == "__main__":
    main()
