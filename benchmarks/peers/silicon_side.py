"""One side of silicon_forces.py: `python silicon_side.py MODEL SIZE DTYPE`, then one line of input for each turn.

MODEL: mace or tensornet (ours), mace-torch or torchmd-net (the peer's environment). Prints "ready PARAMETERS", then per
turn "seconds S" (CPU, energy and forces after all atoms have moved a little), and after the last one "peak MB": the
largest resident memory above that after the imports.
"""

import os
import resource
import sys
import tempfile
import time

import numpy as np
import torch
from ase.build import bulk


def ours(model, dtype):
    """How to make our calculator."""
    from surrogates import SurrogateCalculator
    from surrogates.potentials.mace import MACE
    from surrogates.potentials.tensornet import TensorNet
    from surrogates.tasks.energy import EnergyForces

    def make():
        torch.manual_seed(0)
        if model == "mace":
            irreps = "128x0e + 128x1o"
            net = MACE(elements=["Si"], r_max=5.0, hidden=irreps, edge_l_max=3, correlation=3, avg_num_neighbors=28)
        else:
            net = TensorNet(r_max=5.0, channels=128, layers=int(model[-1]), n_radial=32)
        return SurrogateCalculator(EnergyForces(net), dtype=dtype), sum(p.numel() for p in net.parameters())

    return make


def mace_torch(dtype):
    """How to make mace-torch's calculator."""
    from e3nn import o3
    from mace import modules
    from mace.calculators import MACECalculator

    def make():
        torch.manual_seed(0)
        torch.set_default_dtype(getattr(torch, dtype))
        block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
        net = modules.ScaleShiftMACE(
            r_max=5.0, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, interaction_cls=block,
            interaction_cls_first=block, num_interactions=2, num_elements=1,
            hidden_irreps=o3.Irreps("128x0e + 128x1o"), MLP_irreps=o3.Irreps("16x0e"), atomic_energies=np.zeros(1),
            avg_num_neighbors=28.0, atomic_numbers=[14], correlation=3, gate=torch.nn.functional.silu,
            atomic_inter_scale=1.0, atomic_inter_shift=0.0,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.model")
            torch.save(net, path)
            return MACECalculator(model_paths=path, device="cpu", default_dtype=dtype), _count(net)

    return make


def torchmd_net(layers, dtype):
    """How to make a calculator of torchmd-net."""
    from ase.calculators.calculator import Calculator, all_changes
    from torchmdnet.models.model import create_model

    precision = getattr(torch, dtype)

    class Calc(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012

        def __init__(self, net):
            super().__init__()
            self.net = net

        def calculate(self, atoms=None, properties=None, system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            positions = torch.tensor(atoms.positions, dtype=precision)
            numbers, box = torch.tensor(atoms.numbers), torch.tensor(atoms.cell.array, dtype=precision)
            energy, forces = self.net(numbers, positions, batch=torch.zeros_like(numbers), box=box)
            self.results = {"energy": energy.item(), "forces": forces.detach().numpy()}

    def make():
        torch.manual_seed(0)
        net = create_model(
            dict(
                model="tensornet", embedding_dimension=128, num_layers=layers, num_rbf=32, rbf_type="expnorm",
                trainable_rbf=False, activation="silu", cutoff_lower=0.0, cutoff_upper=5.0, max_z=100,
                max_num_neighbors=64, equivariance_invariance_group="O(3)", prior_model=None, atom_filter=-1,
                derivative=True, output_model="Scalar", reduce_op="sum", precision=int(dtype[-2:]), check_errors=True,
                static_shapes=False, vector_cutoff=False, box_vecs=None, dtype=precision,
            )
        )  # fmt: skip
        return Calc(net), _count(net)

    return make


def _count(net):
    return sum(p.numel() for p in net.parameters())


def resident():
    """Memory of this process now, MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def main():
    model, size, dtype = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    if model == "mace-torch":
        make = mace_torch(dtype)
    elif model.startswith("torchmd-net"):
        make = torchmd_net(int(model[-1]), dtype)
    else:
        make = ours(model, dtype)
    n = round((size / 8) ** (1 / 3))
    atoms = bulk("Si", cubic=True) * (n, n, n)
    atoms.rattle(0.05, seed=0)
    base = resident()
    atoms.calc, parameters = make()
    print("ready", parameters, flush=True)
    rng = np.random.default_rng(0)
    for _ in sys.stdin:
        atoms.positions += rng.normal(scale=1e-3, size=atoms.positions.shape)
        start = time.process_time()
        atoms.get_forces()
        print("seconds", time.process_time() - start, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("peak", peak - base, flush=True)


if __name__ == "__main__":
    main()
