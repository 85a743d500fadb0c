"""A calculator without k-points is refused for small periodic cells, at every door where one meets the other."""

import pytest
from ase.build import bulk, molecule

import surrogates
from surrogates.datasets.generators import generate
from surrogates.datasets.generators.gamma_only import check_cell
from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.simulation import relax

XTB = "tblite.ase:TBLite"


def test_small_cells_are_refused_large_ones_warned_of_and_the_rest_passes():
    silicon = bulk("Si", cubic=True)
    with pytest.raises(DomainError, match=r"every 5\.4 Å.*repeat: 2"):
        check_cell(XTB, silicon)
    with pytest.warns(SurrogatesWarning, match="Gamma point only"):
        check_cell(XTB, silicon.repeat(2))
    chain = silicon.repeat((2, 2, 1))
    chain.pbc = (True, True, False)  # what does not repeat needs no k-points
    with pytest.warns(SurrogatesWarning):
        check_cell(XTB, chain)
    check_cell(XTB, molecule("CH4"))
    check_cell("ase.calculators.emt:EMT", silicon)


def test_the_doors_know_it(tmp_path, monkeypatch):
    tblite = pytest.importorskip("tblite.ase")
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path))
    walker = {"data": {"rattle": 0.05, "samples": 1}}
    for reference in ({"use": XTB}, tblite.TBLite(method="GFN2-xTB", verbosity=0)):
        with pytest.raises(DomainError, match="Gamma point only"):
            generate({"bulk": "Si"}, reference, walker)
    calculator = tblite.TBLite(method="GFN2-xTB", verbosity=0)
    assert "Gamma point only" in relax(bulk("Si"), calculator).failure[0]
    with pytest.raises(DomainError, match="Gamma point only"):
        surrogates.check(calculator, [bulk("Si")])
