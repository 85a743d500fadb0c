"""States of quenched XXZ chains as shallow circuits: infidelity against cz depth, beside second-order Trotter.

    python benchmarks/aqc_tensor.py                       # the cases of BENCHMARKS.md, about two CPU minutes
    python benchmarks/aqc_tensor.py --qubits 100 --time 0.2 --steps 1 --iterations 80

H = sum XX + YY + 0.5 ZZ in Pauli matrices, Neel start; the target by fourth-order TEBD at bond 128. Printed are 1 - F
of the Trotter circuit with the same layout, of the compiled one at bond 64, of that one simulated afresh at bond 128,
the number of gradients, and CPU seconds of compiling alone. One thread.
"""

import argparse
import time

import torch

from surrogates.physics.lattice import xxz_pauli
from surrogates.physics.tensor_networks import MPS, tebd
from surrogates.simulation.aqc_tensor import compile_state, trotter

CASES = ((20, 0.5, 1, 100), (20, 0.5, 2, 100), (20, 1.0, 4, 160), (50, 0.2, 1, 100), (100, 0.2, 1, 80))


def main() -> None:
    """One case, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qubits", type=int)
    parser.add_argument("--time", type=float, default=0.5)
    parser.add_argument(
        "--steps", type=int, default=1, help="Trotter steps of the layout: 2 steps + 1 layers, 3 cz each"
    )
    parser.add_argument("--iterations", type=int, default=100)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cases = CASES if given.qubits is None else ((given.qubits, given.time, given.steps, given.iterations),)
    print("qubits  time  cz depth     Trotter    compiled    verified  gradients  CPU s   target's CPU s and bond")
    for case in cases:
        print(row(*case), flush=True)


def row(qubits: int, duration: float, steps: int, iterations: int) -> str:
    """One line of the table."""
    model, begun = xxz_pauli(qubits, delta=0.5), time.process_time()
    target = tebd(model, MPS.neel(qubits), time=duration, dt=0.02, order=4, chi_max=128, cutoff=1e-14).state
    spent = time.process_time() - begun
    start = [n % 2 for n in range(qubits)]
    found = compile_state(target, trotter(model, duration, steps), start=start, iterations=iterations, cutoff=1e-10)
    lost = "  ".join(f"{1 - f:10.3g}" for f in (found.initial, found.fidelity, found.verified))
    return (
        f"{qubits:6d}  {duration:4.2g}  {found.cz_depth:8d}  {lost}  {len(found.history):9d}  {found.seconds:5.1f}   "
        f"{spent:.1f}, {max(target.bonds)}"
    )


if __name__ == "__main__":
    main()
