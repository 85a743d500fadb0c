"""Relaxation of cells: exact gradients, ASE's minima, pressure, slabs, symmetry, restart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixBondLength, FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS as AseLBFGS
from ase.units import GPa

from surrogates.calculator import SurrogateCalculator
from surrogates.physics.atoms.strain import full_matrix
from surrogates.physics.errors import DomainError, FileError
from surrogates.potentials.pair import Morse
from surrogates.simulation import as_surrogate, relax
from surrogates.simulation.deformation import Deformation
from surrogates.simulation.strains import allowed_strains, strains
from surrogates.simulation.structures import as_batch

TIGHT = dict(fmax=1e-3, smax=1e-5, optimizer="lbfgs")


def crystal(seed=0, strain=0.03, rattle=0.05, atoms=4):
    rng = np.random.default_rng(seed)
    found = bulk("Cu", cubic=True, a=3.7) if atoms == 4 else bulk("Cu", a=3.7) * (atoms, 1, 1)
    found.set_cell(found.cell.array @ (np.eye(3) + rng.normal(0, strain, (3, 3))), scale_atoms=True)
    found.positions += rng.normal(0, rattle, found.positions.shape)
    return found


@pytest.fixture(scope="module")
def copper():
    return Morse(r_max=5.0, r_switch=3.5).double()


@pytest.mark.parametrize("cell", ["full", "isotropic", "shape", [1, 0, 0, 1, 0, 1]])
def test_gradients_are_those_of_the_enthalpy(copper, cell):
    """Central differences of E + pV in X and U, far from U = 0, for a crystal and a slab."""
    structures = [crystal(), fcc111("Cu", (1, 1, 2), vacuum=5.0)]
    rule, surrogate = strains(cell), as_surrogate(copper)
    allowed = [allowed_strains(rule, a, "it") for a in structures]
    batch = as_batch(structures)
    here = Deformation.start(batch, allowed, 0.05)
    generator = torch.Generator().manual_seed(0)
    here = here.moved(here.positions, 0.6 * torch.randn(here.rows.shape, generator=generator, dtype=torch.float64))
    assert float(here.log_strain.abs().max()) > 0.01

    def enthalpy(at):
        return at.enthalpy(surrogate.predict(at.batch(batch)).energy)

    found = surrogate.predict(here.batch(batch), stress=True)
    rows, residual = here.forces(found.forces, full_matrix(found.stress))
    n = len(here.positions)
    for _ in range(4):
        push = torch.randn(rows.shape, generator=generator, dtype=torch.float64)
        there, back = (here.moved(here.positions + s * push[:n], s * push) for s in (1e-4, -1e-4))
        slope = (enthalpy(there) - enthalpy(back)) / 2e-4
        expected = -torch.zeros(2, dtype=torch.float64).index_add(0, here.owner, (rows * push).sum(1))
        torch.testing.assert_close(slope, expected, rtol=1e-6, atol=1e-6)
    assert float(residual.min()) > 1e-3


@pytest.mark.parametrize(("name", "pressure"), [("ours", 0.0), ("emt", 10 * GPa)])
def test_minima_are_those_of_ase(copper, name, pressure):
    """With our own potential and with EMT; the cell up to a rotation."""
    start = crystal(rattle=0.02, atoms=2)
    found = relax(start, copper if name == "ours" else EMT(), cell="full", pressure=pressure, **TIGHT)
    assert found.converged.all()
    expected = start.copy()
    expected.calc = SurrogateCalculator(copper) if name == "ours" else EMT()
    AseLBFGS(FrechetCellFilter(expected, scalar_pressure=pressure), logfile=None).run(fmax=1e-3, steps=400)
    enthalpy = expected.get_potential_energy() + pressure * expected.get_volume()
    assert found.enthalpy[0] == pytest.approx(enthalpy, abs=1e-6)
    assert found[0].get_volume() == pytest.approx(expected.get_volume(), abs=5e-3)
    np.testing.assert_allclose(found[0].get_stress(), [-pressure] * 3 + [0] * 3, atol=2e-5)
    np.testing.assert_allclose(sorted(found[0].cell.cellpar()), sorted(expected.cell.cellpar()), atol=5e-3)


def test_a_batch_is_its_members_and_never_turns(copper):
    many, settings = [crystal(0, atoms=2), crystal(2, atoms=3)], dict(cell="full", optimizer="lbfgs")
    together = relax(many, copper, **settings)
    for k, start in enumerate(many):
        alone = relax(start, copper, **settings, skin=0.0)
        assert alone.steps[0] == together.steps[k]
        np.testing.assert_allclose(together[k].cell.array, alone[0].cell.array, atol=1e-8)
        deform = np.linalg.solve(start.cell.array, together[k].cell.array)
        np.testing.assert_allclose(deform, deform.T, atol=1e-10)


def test_what_may_strain(copper):
    start = crystal()
    isotropic, shape, mask = (
        relax(start, copper, cell=c, **TIGHT)[0] for c in ("isotropic", "shape", [True, False, True] + [False] * 3)
    )
    factor = np.linalg.solve(start.cell.array, isotropic.cell.array)
    np.testing.assert_allclose(factor, factor[0, 0] * np.eye(3), atol=1e-12)
    assert abs(factor[0, 0] - 1) > 1e-3
    assert shape.get_volume() == pytest.approx(start.get_volume(), rel=1e-12)
    held = np.linalg.solve(start.cell.array, mask.cell.array)
    np.testing.assert_allclose(held, np.diag([held[0, 0], 1, held[2, 2]]), atol=1e-12)
    stress = mask.get_stress()
    assert np.abs(stress[[0, 2]]).max() < 2e-5
    assert np.abs(stress[[1, 3, 4, 5]]).max() > 1e-4


def test_a_slab_relaxes_in_its_plane_whatever_the_vacuum(copper):
    found = []
    for vacuum in (4.0, 9.0):
        slab = fcc111("Cu", (1, 1, 4), a=3.8, vacuum=vacuum)
        slab.rotate(30, "x", rotate_cell=True)
        relaxed = relax(slab, copper, cell="full", fmax=1e-4, smax=1e-6, optimizer="lbfgs")
        assert relaxed.converged.all()
        np.testing.assert_allclose(relaxed[0].cell.lengths()[2], slab.cell.lengths()[2], rtol=1e-9)
        found.append(relaxed[0].cell.lengths()[:2])
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    assert abs(found[0][0] - slab.cell.lengths()[0]) > 0.01


def test_fixed_atoms_keep_their_fractional_coordinates(copper):
    start = crystal()
    start.set_constraint(FixAtoms([1, 2]))
    found = relax(start, copper, cell="full", **TIGHT)
    assert found.converged.all()
    moved = np.abs(found[0].get_scaled_positions(wrap=False) - start.get_scaled_positions(wrap=False)).max(1)
    assert moved[[1, 2]].max() < 1e-12
    assert moved[[0, 3]].min() > 1e-4


def test_symmetry_is_kept_as_in_ase(copper):
    import spglib

    def group(atoms):
        return spglib.get_spacegroup((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=1e-4)

    start = bulk("Cu", "hcp", a=2.7, c=4.0)
    held = relax(start, copper, cell="full", fix_symmetry=True, **TIGHT)
    assert held.converged.all()
    assert group(held[0]) == group(start)
    theirs = start.copy()
    theirs.set_constraint(FixSymmetry(theirs))
    brought = relax(theirs, copper, cell="full", **TIGHT)
    np.testing.assert_allclose(brought[0].cell.array, held[0].cell.array, atol=1e-9)
    theirs.calc = SurrogateCalculator(copper)
    AseLBFGS(FrechetCellFilter(theirs), logfile=None).run(fmax=1e-3, steps=300)
    assert held.energy[0] == pytest.approx(theirs.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(held[0].cell.cellpar(), theirs.cell.cellpar(), atol=2e-3)


class Lopsided:
    """A surrogate without any symmetry: forces and stress of a field that points along (1, 2, 3)."""

    elements = ()

    def __init__(self, potential):
        self.inner = as_surrogate(potential)
        self.r_max = self.inner.r_max

    def predict(self, atoms, *, stress=False, spread=False):
        found = self.inner.predict(atoms, stress=stress)
        first = torch.zeros_like(found.forces)
        first[0] = first.new_tensor([0.03, 0.06, 0.09])
        six = None if found.stress is None else found.stress + found.stress.new_tensor([1e-3, 0, 2e-3, 3e-3, 0, 1e-3])
        return replace(found, forces=found.forces + first, stress=six)


def test_symmetry_does_not_rest_on_the_surrogate(copper):
    start = bulk("Cu", cubic=True, a=3.7)
    held = relax(start, Lopsided(copper), cell="full", fix_symmetry=True, fmax=0.01, smax=1e-5, optimizer="lbfgs")
    assert held.converged.all()
    np.testing.assert_allclose(held[0].cell.array, held[0].cell[0, 0] * np.eye(3), atol=1e-10)
    np.testing.assert_allclose(held[0].get_scaled_positions(), start.get_scaled_positions(), atol=1e-9)
    loose = relax(start, Lopsided(copper), cell="full", fmax=0.01, smax=1e-5, steps=5)
    assert np.abs(loose[0].cell.array - loose[0].cell[0, 0] * np.eye(3)).max() > 1e-4


def test_an_interrupted_run_ends_in_the_same_bits(copper, tmp_path, monkeypatch):
    suffix = ".extxyz"  # dynamics tests both
    monkeypatch.setattr("surrogates.simulation.resume.SECONDS", -1.0)
    many = [crystal(0, atoms=2), crystal(1, atoms=3)]
    settings = dict(cell="full", pressure=0.01, optimizer="lbfgs")
    whole = relax(many, copper, **settings, trajectory=tmp_path / f"whole{suffix}")
    files = {"trajectory": tmp_path / f"part{suffix}", "checkpoint": tmp_path / "part.safetensors"}

    def stop(progress):
        if progress.step in (5, 12):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            relax(many, copper, **settings, progress=stop, **files)
    found = relax(many, copper, **settings, **files)
    assert np.array_equal(found.steps, whole.steps)
    for k in range(2):
        assert np.array_equal(found[k].cell.array, whole[k].cell.array)
        assert np.array_equal(found[k].positions, whole[k].positions)
        ours, theirs = ((tmp_path / f"{name}.{k}{suffix}").read_bytes() for name in ("part", "whole"))
        assert len(ours) == len(theirs)
    with pytest.raises(FileError, match="another simulation"):
        relax(many, copper, cell="full", checkpoint=files["checkpoint"])


def test_a_cell_that_runs_away_is_reported(copper):
    found = relax([crystal(atoms=2), crystal(1, atoms=2)], copper, cell="isotropic", pressure=-3.0)
    assert all("factor of e" in reason for reason in found.failure)
    assert not found.converged.any()


def test_wrong_arguments(copper):
    with pytest.raises(DomainError, match=r"structure 1 \(C2OH6\) is not periodic.*cell=None"):
        relax([crystal(), molecule("CH3CH2OH")], copper, cell="full")
    with pytest.raises(DomainError, match=r"three lattice vectors.*vacuum"):
        relax(fcc111("Cu", (1, 1, 2)), copper, cell="full")
    with pytest.raises(DomainError, match="full, isotropic, shape"):
        relax(crystal(), copper, cell="cubic")
    with pytest.raises(DomainError, match="six booleans"):
        relax(crystal(), copper, cell=[1, 1, 1])
    with pytest.raises(DomainError, match="does nothing"):
        relax(crystal(), copper, pressure=1.0)
    with pytest.raises(DomainError, match="smax"):
        relax(crystal(), copper, cell="full", smax=0.0)
    with pytest.raises(DomainError, match="three directions"):
        relax(molecule("H2O"), copper, fix_symmetry=True)
    tied = crystal()
    tied.set_constraint(FixBondLength(0, 1))
    with pytest.raises(DomainError, match="FixBondLengths has no meaning"):
        relax(tied, copper, cell="full")
    some = bulk("Cu", cubic=True, a=3.7)
    some.set_constraint([FixAtoms([0]), FixSymmetry(some)])
    with pytest.raises(DomainError, match="fixed atoms to free ones"):
        relax(some, copper)


@pytest.mark.parametrize("pressure", [101325.0, float("nan")])
def test_a_pressure_in_another_unit_is_refused(pressure):
    from surrogates.simulation import NPT

    with pytest.raises(DomainError, match="1 GPa is"):
        NPT(pressure=pressure)
    with pytest.raises(DomainError, match="1 GPa is"):
        relax(bulk("Cu"), EMT(), cell="full", pressure=pressure)
