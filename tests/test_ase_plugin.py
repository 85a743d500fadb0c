"""ASE finds the calculator, and pays nothing for it."""

import subprocess
import sys

import pytest

FIND = """
import sys
import ase.io
from ase.calculators.calculator import get_calculator_class
found = get_calculator_class("surrogates")
assert found.__name__ == "SurrogateCalculator", found
heavy = {"torch", "e3nn", "jaxtyping", "deepxde"} & set(sys.modules)
assert not heavy, heavy
"""
LIST = """
from ase._4.plugins import plugins
names = {p.name for p in plugins.calculators}
assert "surrogates" in names, names
"""


@pytest.mark.parametrize(
    "first", ["import ase.io", "import ase.calculators.calculator", "import surrogates.ase_plugin"]
)
def test_import_of_ase_registers_the_class_without_torch_or_warning(first):
    subprocess.run([sys.executable, "-W", "error", "-c", f"{first}\n{FIND}"], check=True)


def test_ase_lists_the_plugin():
    pytest.importorskip("ase._4.plugins")
    subprocess.run([sys.executable, "-W", "error", "-c", LIST], check=True)


def test_ase_reads_our_data_sets(tmp_path):
    import numpy as np
    from ase.build import molecule
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import read, write

    from surrogates.datasets import read_structures

    frames = []
    for k in range(3):
        atoms = molecule("H2O")
        atoms.rattle(0.05, seed=k)
        forces = np.random.default_rng(k).normal(size=(3, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0 - k, forces=forces)
        frames.append(atoms)
    write(tmp_path / "frames.extxyz", frames)
    read_structures(tmp_path / "frames.extxyz", energy="energy", forces="forces").save(tmp_path / "data")
    back = read(tmp_path / "data", index=":", format="surrogates")
    assert [a.get_potential_energy() for a in back] == pytest.approx([-1.0, -2.0, -3.0])
    assert read(tmp_path / "data", format="surrogates").get_potential_energy() == pytest.approx(-3.0)
