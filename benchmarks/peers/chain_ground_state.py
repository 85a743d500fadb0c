"""One ground state of the open Heisenberg chain by quimb or TeNPy: prints energy, CPU seconds and sweeps as JSON.

python chain_ground_state.py quimb|tenpy|tenpy-Sz LENGTH CHI
"""

import json
import logging
import os
import sys
import time
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def quimb(length: int, chi: int) -> tuple[float, float, int]:
    """Energy, CPU seconds and sweeps of quimb."""
    import quimb.tensor as qtn

    bonds = [b for b in (16, 32, 64, 128, 256) if b < chi] + [chi]
    search = qtn.DMRG2(qtn.MPO_ham_heis(length), bond_dims=bonds, cutoffs=1e-12, p0=qtn.MPS_neel_state(length))
    begin = time.process_time()
    search.solve(tol=1e-9, max_sweeps=30, verbosity=0)
    return float(search.energy), time.process_time() - begin, len(search.energies)


def tenpy(length: int, chi: int, conserve: str | None) -> tuple[float, float, int]:
    """Energy, CPU seconds and sweeps of TeNPy."""
    from tenpy.algorithms import dmrg
    from tenpy.models.spins import SpinModel
    from tenpy.networks.mps import MPS

    model = SpinModel({"L": length, "S": 0.5, "bc_MPS": "finite", "conserve": conserve})
    psi = MPS.from_product_state(model.lat.mps_sites(), (["up", "down"] * length)[:length], bc="finite")
    bonds = [b for b in (16, 32, 64, 128, 256) if b < chi] + [chi]
    settings = {
        "mixer": True,
        "max_E_err": 1e-10,
        "chi_list": dict(enumerate(bonds)),
        "trunc_params": {"chi_max": chi, "svd_min": 1e-10},
    }
    begin = time.process_time()
    found = dmrg.run(psi, model, settings)
    return float(found["E"]), time.process_time() - begin, found["sweep_statistics"]["sweep"][-1]


if __name__ == "__main__":
    side, length, chi = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    conserve = "Sz" if side.endswith("Sz") else None
    energy, seconds, sweeps = quimb(length, chi) if side == "quimb" else tenpy(length, chi, conserve)
    print(json.dumps({"energy": energy, "seconds": seconds, "sweeps": sweeps}))
