"""One ground state of the open Heisenberg chain by our DMRG: prints energy, CPU seconds and sweeps as JSON.

python our_ground_state.py neel|random|tilted|Sz LENGTH CHI
"""

import json
import math
import sys
import time

import torch

from surrogates.physics.lattice import heisenberg
from surrogates.physics.tensor_networks import MPS, dmrg

if __name__ == "__main__":
    torch.set_num_threads(1)
    start, length, chi = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    states = {
        "neel": lambda: MPS.neel(length),
        "random": lambda: MPS.random(length, 4, seed=3),
        "tilted": lambda: MPS.product([[math.cos(0.4), math.sin(0.4)]] * length),
        "Sz": lambda: MPS.neel(length),
    }
    conserve = {"conserve": "Sz"} if start == "Sz" else {}
    begin = time.process_time()
    found = dmrg(heisenberg(length), states[start](), chi_max=chi, energy_tol=1e-9, **conserve)
    seconds = time.process_time() - begin
    print(json.dumps({"energy": found.energy, "seconds": seconds, "sweeps": len(found.sweeps)}))
