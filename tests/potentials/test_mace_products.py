"""MACE with each product in the place of its own: the laws of a potential, training, files."""

import json

import pytest
import torch
from ase.build import molecule

from surrogates.construct import construct, describe
from surrogates.datasets.adapters.ase import from_ase
from surrogates.equivariance.products import SO2, ClebschGordan, CPDecomposed, Gaunt, SphericalGrid
from surrogates.physics.errors import DomainError
from surrogates.potentials.mace import MACE
from surrogates.tasks.energy import EnergyForces
from surrogates.testing.law import EXACT
from surrogates.testing.laws import forces_are_gradients, permutation, reflection, rotation

EXACT_PRODUCTS = {
    "full": ClebschGordan(),
    "so2": SO2(),
    "so2, |m| <= 1": SO2(m_max=1),
    "gaunt": Gaunt(),
    "grid": SphericalGrid(),
}
SIZES = dict(elements=["H", "C", "O"], r_max=4.0, hidden="4x0e + 4x1o", edge_l_max=2, correlation=2, radial_widths=[8])


def mace(product) -> MACE:
    torch.manual_seed(0)
    return MACE(**SIZES, product=product).double()


def frames(n: int = 1):
    rattled = [molecule("CH3CH2OH") for _ in range(n)]
    for seed, atoms in enumerate(rattled):
        atoms.rattle(0.1, seed=seed)
    rattled[0].positions[1] = rattled[0].positions[0] + [0.0, 1.4, 0.0]  # an edge along the pole of frames
    return from_ase(rattled, dtype=torch.float64)


@pytest.mark.parametrize(
    "name", ["so2", "grid", *(pytest.param(n, marks=pytest.mark.slow) for n in ("full", "so2, |m| <= 1", "gaunt"))]
)
def test_a_potential_obeys_its_laws_with_every_exact_product(name):
    task = EnergyForces(mace(EXACT_PRODUCTS[name])).double()
    assert task.predict(frames()).forces.abs().max() > 0.1
    for law in (rotation, reflection, permutation, forces_are_gradients):
        for measured in law(task, frames(), EXACT):
            assert measured.verdict == "pass", f"{name}: {measured}"


def test_a_decomposed_product_turns_as_badly_as_it_says_and_keeps_the_other_laws():
    tasks = {rank: EnergyForces(mace(CPDecomposed(rank=rank))).double() for rank in ("linear", "quadratic", "full")}
    errors, stated = {}, {}
    for law in (permutation, forces_are_gradients):
        assert all(measured.verdict == "pass" for measured in law(tasks["quadratic"], frames(), EXACT))
    for rank, task in tasks.items():
        errors[rank] = max(measured.error / measured.scale for measured in rotation(task, frames(), EXACT))
        products = [m for m in task.modules() if isinstance(m, CPDecomposed) and m.inputs.channels == 4]
        stated[rank] = max(product.equivariance_error for product in products)
    assert errors["linear"] > 10 * errors["quadratic"] > 1e3 * errors["full"]
    for rank in tasks:
        assert errors[rank] < 10 * stated[rank] + 1e-6


def test_full_product_and_fused_kernel_are_one_model():
    plain, other = mace(None), mace(ClebschGordan())
    other.load_state_dict(plain.state_dict())
    torch.testing.assert_close(other(frames().with_edges(4.0)), plain(frames().with_edges(4.0)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("product", [SO2(m_max=1), CPDecomposed(rank=12), SphericalGrid()], ids=["so2", "cp", "grid"])
def test_a_checkpoint_holds_it(product):
    model, atoms = mace(product), frames().with_edges(4.0)
    again = construct(json.loads(json.dumps(describe(model)))).double()
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again(atoms), model(atoms), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["so2", "grid"])
def test_training_on_forces_lowers_their_error(name):
    """Gradients of forces by all weights, through frames and transforms."""
    model, atoms = mace(EXACT_PRODUCTS[name]), frames(3).with_edges(4.0)
    target = 0.3 * torch.randn(atoms.positions.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=0.02), []
    for _ in range(6):
        leaf = atoms.positions.detach().requires_grad_()
        energy = model(type(atoms)(**{**vars(atoms), "positions": leaf})).sum()
        loss = (torch.autograd.grad(energy, leaf, create_graph=True)[0] + target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    weights = [p for n, p in model.named_parameters() if "radial" in n]
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in weights)
    assert losses[-1] < 0.95 * losses[0]


def test_what_is_no_product_is_refused():
    with pytest.raises(DomainError, match="no product"):
        mace(torch.nn.Linear(1, 1))
