"""Steps on crystals: each calculator at its own lattice, labels computed once, differences and verdict."""

from types import SimpleNamespace

import numpy as np
import pytest

from surrogates.physics.errors import DomainError
from surrogates.workflows.desk import Desk
from surrogates.workflows.report import crystals, crystals_criteria
from surrogates.workflows.report.finished import Finished
from surrogates.workflows.report.page import render
from surrogates.workflows.report.verdict import Criterion, judge
from surrogates.workflows.results import decode, encode
from surrogates.workflows.steps.elastic import Elastic, ElasticMeasured
from surrogates.workflows.steps.equation_of_state import CurvesMeasured, EquationOfState
from surrogates.workflows.steps.phonons import Phonons, PhononsMeasured
from surrogates.workflows.structure_fields import Structure

EMT = {"use": "ase.calculators.emt:EMT"}
OTHER = {"use": "ase.calculators.lj:LennardJones", "epsilon": 0.41, "sigma": 2.34, "rc": 6.0, "smooth": True}
COPPER = Structure(bulk="Cu", a=3.6)
GOOD = Criterion("force error", 0.02, high=0.1, essential=True, use="energies")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "cache"))


def run(step, folder):
    """All jobs, one after the other, and the result as it comes back from JSON."""
    folder.mkdir(exist_ok=True)
    desk = Desk(folder, device="cpu")
    for job in step.jobs():
        step.work(job, desk)
    found = step.finish(desk)
    return decode(type(found), encode(found))


def finished(kind, result, folder):
    times = {"jobs": {"all": {"wall": 1.0}, "reference": {"wall": 2.0}}}
    return Finished("step", kind, result, folder, {}, times)


def test_elastic(tmp_path):
    step = Elastic(COPPER, OTHER, reference=EMT)
    found = run(step, tmp_path / "first")
    assert isinstance(found, ElasticMeasured)
    own, reference = found[0], found.reference[0]
    assert reference.lattice.a == pytest.approx(3.5898, abs=3e-4)  # of the cubic cell, at the reference's own minimum
    assert own.lattice.a == pytest.approx(3.6214, abs=3e-4)
    assert reference.lattice.space_group == "Fm-3m"
    assert reference.independent == ("C11", "C12", "C44")
    assert reference["C44"] == pytest.approx(90.0, abs=0.3)
    gap = found.compared[0]
    assert gap.constants["C11"] == pytest.approx(own["C11"] / reference["C11"] - 1, rel=1e-6)
    assert gap.lattice == pytest.approx(0.0317, abs=5e-4)
    assert found.calls["reference"] == pytest.approx(8, abs=3)
    same = run(step, tmp_path / "again")
    assert same == found
    measured = decode(dict[str, dict[str, dict[str, int]]], _json(tmp_path / "again" / "measured.json"))
    assert measured["calls"]["reference"] == {"asked": found.calls["reference"], "computed": 0}


def test_verdict_on_elasticity(tmp_path):
    bad = run(Elastic(COPPER, OTHER, reference=EMT), tmp_path / "bad")
    good = run(Elastic(COPPER, EMT, reference=EMT), tmp_path / "good")
    alone = run(Elastic(COPPER, EMT), tmp_path / "alone")
    uses = {}
    for name, result in (("bad", bad), ("good", good), ("alone", alone)):
        unit = finished("elastic", result, tmp_path / name)
        verdict = judge([GOOD, *crystals_criteria.elasticity(unit)])
        uses[name] = verdict.answer, "elasticity" in verdict.uses
        page = render(name, verdict, [crystals.elasticity(unit)], [])
        assert "C44 (GPa)" in page
    assert uses["good"] == ("yes", True)
    assert uses["bad"] == ("with care", False)
    assert good.compared[0].worst == 0
    assert len(verdict.unknown) == 2  # nothing to compare with
    assert "No reference was named" in page


def test_equation_of_state(tmp_path):
    found = run(EquationOfState(COPPER, OTHER, reference=EMT), tmp_path / "step")
    assert isinstance(found, CurvesMeasured)
    assert found.reference[0].volume == pytest.approx(3.5898**3 / 4, rel=3e-4)
    assert found.reference[0].bulk == pytest.approx(134.5, abs=1.0)
    gap = found.compared[0]
    assert gap.volume == pytest.approx(found[0].volume / found.reference[0].volume - 1, rel=1e-9)
    assert gap.delta > 10
    unit = finished("equation_of_state", found, tmp_path / "step")
    verdict = judge([GOOD, *crystals_criteria.curves(unit)])
    assert "compression" not in verdict.uses
    section = crystals.curves(unit)
    assert section.blocks[1].svg.startswith("<svg")
    assert "calculations" in section.text[0]


def test_phonons(tmp_path):
    pytest.importorskip("phonopy")
    found = run(Phonons(COPPER, EMT, supercell=3, reference=EMT, mesh=4), tmp_path / "step")
    assert isinstance(found, PhononsMeasured)
    assert found.compared[0].largest == 0
    assert found[0].stable
    assert found[0].highest == pytest.approx(8.0, abs=0.2)
    assert found.calls["reference"] <= 8
    unit = finished("phonons", found, tmp_path / "step")
    assert judge([GOOD, *crystals_criteria.phonons(unit)]).answer == "yes"
    section = crystals.phonons(unit)
    assert "<svg" in section.blocks[1].svg
    with np.load(tmp_path / "step" / found[0].file) as arrays:
        assert arrays["bands"].shape == (len(arrays["x"]), 3)
    gone = SimpleNamespace(**{**vars(found[0]), "stable": False, "lowest": -1.5})
    broken = SimpleNamespace(**{**vars(found), "structures": (gone,)})
    unit = finished("phonons", broken, tmp_path / "step")
    assert "imaginary modes, down to 1.50i THz" in crystals.phonons(unit).text[1]
    assert "phonons" not in judge([GOOD, *crystals_criteria.phonons(unit)]).uses


def test_bad_input(tmp_path):
    with pytest.raises(DomainError, match="needs crystals"):
        run(Elastic(Structure(molecule="H2O"), EMT), tmp_path / "step")
    with pytest.raises(ValueError, match="one or three"):
        Phonons(COPPER, EMT, supercell=[2, 2])


def _json(path):
    from surrogates.workflows.files import read_json

    return read_json(path)
