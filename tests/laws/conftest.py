"""The models that owe the laws, one line each, and the structures that they are put to the test with."""

from types import SimpleNamespace

import ase
import pytest
import torch
from ase.build import bulk

from surrogates.datasets.adapters.ase import from_ase
from surrogates.potentials.mace import MACE
from surrogates.potentials.pair import ZBL, LennardJones, Morse
from surrogates.potentials.sum import Sum
from surrogates.potentials.tensornet import TensorNet
from surrogates.tasks.energy import EnergyForces
from surrogates.testing.probe import probe

MODELS = {
    "LennardJones": lambda: LennardJones(epsilon={"O": 0.2, "Cu": 0.4}, sigma={"O": 1.9, "Cu": 2.2, "O-Cu": 1.8}),
    "Morse": lambda: Morse(r_max=4.5),
    "ZBL": lambda: ZBL(r_max=3.0),
    "MACE": lambda: MACE(elements=["O", "Cu"], r_max=4.0, hidden="4x0e + 4x1o", correlation=3, radial_widths=[8]),
    "TensorNet O(3)": lambda: TensorNet(elements=["O", "Cu"], r_max=4.0, channels=8, group="O(3)"),
    "TensorNet SO(3)": lambda: TensorNet(elements=["O", "Cu"], r_max=4.0, channels=8, group="SO(3)"),
    "Sum": lambda: Sum(ZBL(r_max=2.5), Morse(r_max=4.5)),
}
DOES_NOT_OWE = {"TensorNet SO(3)": {"reflection"}}


def crystal() -> ase.Atoms:
    """Four atoms of two elements in a skewed cell smaller than any cutoff."""
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
    atoms.numbers[1] = 8
    atoms.set_cell(atoms.cell.array @ [[1, 0.2, 0.1], [0, 1, 0.15], [0, 0, 1]], scale_atoms=True)
    return atoms


def molecule() -> ase.Atoms:
    """Six atoms without any mirror plane."""
    places = [[4.1, 2.1, 0.3], [0, 0, 0], [2.4, 0, 0], [0.3, 2.2, 0], [0.2, 0.9, 2.3], [2.0, 1.9, 1.2]]
    return ase.Atoms("CuOCu3O", positions=places)


def of_order_one(model: torch.nn.Module, structures) -> EnergyForces:
    """In float64, learned weights doubled so that nonlinearities count, and forces of order 1 eV/Å.

    Untrained networks of small weights nearly vanish, and zero obeys every law.
    """
    task = EnergyForces(model.double()).double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and parameter.dim() > 1 and not isinstance(model, LennardJones | Morse | Sum):
                parameter.mul_(2.0)
    scale = 1.0 / task.predict(structures).forces.square().mean().sqrt().item()
    task.normalise.set({8: -3.0, 29: -1.0}, scale, 0.5)
    return task


@pytest.fixture(scope="session")
def models():
    """Constructors by name."""
    return MODELS


@pytest.fixture(scope="session")
def examples():
    """A crystal and a molecule."""
    return [crystal(), molecule()]


@pytest.fixture(scope="session")
def structures():
    """The examples, rattled, float64."""
    both = [crystal(), molecule()]
    for seed, atoms in enumerate(both):
        atoms.rattle(0.05, seed=seed)
    return from_ase(both, dtype=torch.float64)


@pytest.fixture(scope="session", params=list(MODELS))
def subject(request, structures):
    """A model as a task of order one, its name, and the laws it does not owe."""
    torch.manual_seed(0)
    task = of_order_one(MODELS[request.param](), structures)
    return SimpleNamespace(
        name=request.param, task=task, probe=probe(task), exempt=DOES_NOT_OWE.get(request.param, set())
    )
