"""A Neel state under the Heisenberg chain by TeNPy's or our TEBD: prints CPU seconds and observables as JSON.

python chain_quench.py ours|tenpy LENGTH CHI STEPS DT
"""

import json
import logging
import os
import sys
import time
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def ours(length: int, chi: int, steps: int, dt: float) -> tuple[float, list[float], float]:
    """Observables and CPU seconds of our TEBD."""
    import torch

    from surrogates.physics.lattice import heisenberg
    from surrogates.physics.tensor_networks import MPS, tebd

    torch.set_num_threads(1)
    begin = time.process_time()
    found = tebd(heisenberg(length), MPS.neel(length), time=steps * dt, dt=dt, chi_max=chi, cutoff=1e-14, every=steps)
    seconds = time.process_time() - begin
    return seconds, found.state.expect("Sz").tolist(), found.state.entanglement_entropy(length // 2)


def tenpy(length: int, chi: int, steps: int, dt: float) -> tuple[float, list[float], float]:
    """Observables and CPU seconds of TeNPy."""
    from tenpy.algorithms.tebd import TEBDEngine
    from tenpy.networks.mps import MPS

    model = _without_charges(length)
    psi = MPS.from_product_state(model.lat.mps_sites(), (["up", "down"] * length)[:length], bc="finite")
    settings = {"order": 2, "dt": dt, "N_steps": steps, "trunc_params": {"chi_max": chi, "svd_min": 1e-7}}
    begin = time.process_time()
    TEBDEngine(psi, model, settings).run()
    seconds = time.process_time() - begin
    return seconds, psi.expectation_value("Sz").tolist(), float(psi.entanglement_entropy()[length // 2 - 1])


def _without_charges(length: int) -> object:
    from tenpy.models.lattice import Chain
    from tenpy.models.model import CouplingMPOModel, NearestNeighborModel
    from tenpy.networks.site import SpinHalfSite

    class Heisenberg(CouplingMPOModel, NearestNeighborModel):
        def init_lattice(self, params: object) -> Chain:
            return Chain(length, SpinHalfSite(conserve=None), bc="open", bc_MPS="finite")

        def init_terms(self, params: object) -> None:
            for name in ("Sx", "Sy", "Sz"):
                self.add_coupling(1.0, 0, name, 0, name, 1)

    return Heisenberg({})


if __name__ == "__main__":
    side, length, chi, steps, dt = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
    seconds, sz, entropy = (ours if side == "ours" else tenpy)(length, chi, steps, dt)
    print(json.dumps({"seconds": seconds, "sz": sz, "entropy": entropy}))
