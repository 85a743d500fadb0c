"""Walkers sample the canonical ensemble, continue to the bit, and survive a reference that fails."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes

from surrogates.datasets.generators import walkers
from surrogates.datasets.generators.cache import Cache
from surrogates.datasets.generators.labels import Labels, Referee, ReferenceFailure
from surrogates.datasets.generators.references import Reference, parse_reference
from surrogates.datasets.generators.walkers import Walker, walk
from surrogates.physics.errors import DomainError
from surrogates.physics.units import KB

LJ = {"use": "ase.calculators.lj:LennardJones", "epsilon": 0.0104, "sigma": 3.4, "rc": 5.0}
STIFFNESS = 1.0  # eV/Å^2


class Trap(Calculator):
    """Each atom in its own harmonic well around its own place: the canonical averages are known exactly."""

    implemented_properties = ("energy", "forces")
    centre = None

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        away = atoms.positions - np.arange(len(atoms))[:, None] * 3.0
        self.results = {"energy": STIFFNESS * (away**2).sum() / 2, "forces": -STIFFNESS * away}


class Moody(Trap):
    """A trap that fails on the calls named in `bad`."""

    calls = itertools.count()
    bad: frozenset = frozenset()

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        if next(Moody.calls) in Moody.bad:
            raise CalculationFailed("self-consistency did not converge")
        super().calculate(atoms, properties, system_changes)


def _referee(path, calculator=Trap):
    reference = Reference(f"{calculator.__module__}:{calculator.__name__}", {}, trusted=True)
    referee = Referee(reference, Cache(path))
    referee.fresh = lambda atoms: calculator()
    return referee


def _two_atoms():
    return Atoms("HO", positions=[[0.0, 0, 0], [3.0, 3, 3]])


def _moments(path, count, seed):
    """Kinetic temperature and its scatter, centre-of-mass temperature, potential temperature of an H and an O."""
    walker = Walker(500.0, count, timestep=2.0, friction=0.1, equilibration=200.0)
    frames = [f.atoms for f in walk(_two_atoms(), _referee(path), walker, spacing=20, seed=seed)]
    momenta = np.array([a.get_momenta() for a in frames])
    masses = frames[0].get_masses()[:, None]
    kinetic = (momenta**2 / masses).sum((1, 2)) / KB  # mean 6 T, variance 12 T^2
    centre = (momenta.sum(1) ** 2).sum(1) / masses.sum() / KB / 3
    away = np.array([a.positions for a in frames]) - np.arange(2)[:, None] * 3.0
    return kinetic.mean() / 6, kinetic.var() / 12, centre.mean(), STIFFNESS * (away**2).mean((0, 2)) / KB


def test_two_atoms_have_the_canonical_temperature_heat_fluctuation_and_spread(tmp_path):
    kinetic, scatter, centre, spread = _moments(tmp_path / "c.sqlite", 250, seed=1)
    assert kinetic == pytest.approx(500, rel=0.06)  # standard error 3.7 %
    assert scatter**0.5 == pytest.approx(500, rel=0.10)
    assert centre == pytest.approx(500, rel=0.15)  # 3 degrees of freedom
    np.testing.assert_allclose(spread, 500, rtol=0.15)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_fixed_centre_of_mass_of_ase_would_be_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(walkers, "_FREE", {"fixcm": True})
    *_, centre, spread = _moments(tmp_path / "c.sqlite", 120, seed=1)
    assert abs(centre - 500) > 75 or np.abs(spread - 500).max() > 75


def _crystal():
    return bulk("Ar", "fcc", a=5.3, cubic=True)


def _samples(path, count, seed=5, start=None):
    referee = Referee(parse_reference(LJ), Cache(path))
    frames = walk(start or _crystal(), referee, Walker(60, count, equilibration=20.0, fmax=0.1), spacing=5, seed=seed)
    return [(f.atoms.positions, f.labels.energy, f.labels.forces, f.labels.stress) for f in frames]


def _same(one, other):
    return all(np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_an_interrupted_walker_ends_in_the_same_bits(tmp_path):
    undisturbed = _samples(tmp_path / "a.sqlite", 6)
    _samples(tmp_path / "b.sqlite", 3)
    cache = Cache(tmp_path / "b.sqlite")
    before = len(cache)
    assert _same(undisturbed, _samples(tmp_path / "b.sqlite", 6))
    assert len(cache) == before + 6  # three moves and three labels: nothing was computed twice


def test_known_samples_are_read_and_not_computed(tmp_path, monkeypatch):
    first = _samples(tmp_path / "a.sqlite", 4)
    monkeypatch.setattr(Reference, "_load", lambda self: pytest.fail("a calculator was made"))
    monkeypatch.setattr(Referee, "fresh", lambda self, atoms: None)
    assert _same(first, _samples(tmp_path / "a.sqlite", 4))


def test_seeds_and_samples_are_independent(tmp_path):
    one, other = _samples(tmp_path / "a.sqlite", 3, seed=1), _samples(tmp_path / "a.sqlite", 3, seed=2)
    assert not np.allclose(one[0][0], other[0][0])
    assert not np.allclose(one[0][0], one[1][0])


def test_labels_are_those_of_a_fresh_calculator(tmp_path):
    for positions, energy, forces, stress in _samples(tmp_path / "a.sqlite", 2):
        atoms = _crystal()
        atoms.positions = positions
        atoms.calc = parse_reference(LJ).calculator()
        assert energy == atoms.get_potential_energy()
        assert np.array_equal(forces, atoms.get_forces())
        assert np.array_equal(stress, atoms.get_stress())


def test_a_failed_frame_is_counted_and_the_walker_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(Moody, "calls", itertools.count())
    monkeypatch.setattr(Moody, "bad", frozenset({40, 70}))
    walker = Walker(300.0, 10, equilibration=0.0)
    frames = list(walk(_two_atoms(), _referee(tmp_path / "c.sqlite", Moody), walker, spacing=5, seed=0))
    assert [f.failure is None for f in frames].count(True) == 10
    failures = [f for f in frames if f.failure]
    assert len(failures) == 2
    assert "did not converge" in failures[0].failure
    assert failures[0].labels is None


def test_a_reference_that_always_fails_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(Moody, "calls", itertools.count())
    monkeypatch.setattr(Moody, "bad", frozenset(range(12, 10**6)))
    with pytest.raises(DomainError, match="20 times in a row"):
        list(walk(_two_atoms(), _referee(tmp_path / "a", Moody), Walker(300, 5), spacing=5, seed=0))
    monkeypatch.setattr(Moody, "bad", frozenset(range(10**6)))
    with pytest.raises(DomainError, match="cannot start from"):
        list(walk(_two_atoms(), _referee(tmp_path / "b", Moody), Walker(300, 5), spacing=5, seed=0))


def test_a_failure_is_remembered(tmp_path, monkeypatch):
    referee = _referee(tmp_path / "c.sqlite", Moody)
    monkeypatch.setattr(Moody, "calls", itertools.count())
    monkeypatch.setattr(Moody, "bad", frozenset({0}))
    for _ in range(2):
        with pytest.raises(ReferenceFailure, match="did not converge"):
            referee.label(_two_atoms())
    assert next(Moody.calls) == 1


def test_charge_and_multiplicity_belong_to_the_label(tmp_path):
    referee = _referee(tmp_path / "c.sqlite")
    atoms = _two_atoms()
    keys = {referee.key(atoms)}
    for info in ({"charge": -1}, {"multiplicity": 2}):
        atoms.info = info
        keys.add(referee.key(atoms))
    assert len(keys) == 3


def test_electrons_that_cannot_be_are_refused_before_anything_runs(tmp_path):
    referee = Referee(parse_reference({"use": "tblite.ase:TBLite"}), Cache(tmp_path / "c.sqlite"))
    radical = molecule("OH")  # 9 electrons
    for info in ({}, {"multiplicity": 3}, {"charge": -1, "multiplicity": 2}, {"charge": 20, "multiplicity": 2}):
        radical.info = info
        with pytest.raises(DomainError, match="electrons"):
            referee.check(radical)


@pytest.mark.parametrize("bad", [{"temperature": 0}, {"samples": 0}, {"timestep": -1.0}, {"equilibration": -1.0}])
def test_impossible_settings_are_refused(bad):
    with pytest.raises(DomainError, match=next(iter(bad))):
        Walker(**{"temperature": 300.0, "samples": 3, **bad})


def test_spacing_must_be_a_whole_number_of_steps():
    assert Walker(300, 1).steps(25) == 50
    with pytest.raises(DomainError, match="whole number of time steps"):
        Walker(300, 1).steps(25.3)


def test_xtb_walks_and_continues_to_the_bit(tmp_path, monkeypatch):
    pytest.importorskip("tblite")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # the walker itself must see to one thread
    reference = parse_reference({"use": "tblite.ase:TBLite", "accuracy": 0.01})
    water, walker = molecule("H2O"), Walker(300, 3, equilibration=5.0)

    def run(name, count):
        referee = Referee(reference, Cache(tmp_path / name))
        return [f.labels for f in walk(water, referee, replace(walker, samples=count), spacing=5, seed=1)]

    run("b", 1)
    one, other = run("a", walker.samples), run("b", walker.samples)
    assert all(isinstance(x, Labels) and x.energy == y.energy for x, y in zip(one, other, strict=True))
    assert all(np.array_equal(x.forces, y.forces) and x.dipole is not None for x, y in zip(one, other, strict=True))
