"""Lattice constant, equation of state, elastic constants and phonons of copper: a surrogate beside its reference.

Needs copper.safetensors, which 06_crystal_data.py leaves behind, and the extra `phonons`. A minute. Structures may be
pymatgen's as well as ASE's. The workflow `surrogates run copper` does the same with an ensemble and a report.
"""

from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure

from surrogates.simulation import elastic_constants, equation_of_state, phonons, relax

copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.65), ["Cu"], [[0, 0, 0]]).to_primitive()

for name, calculator in {"surrogate": "copper.safetensors", "EMT": EMT()}.items():
    rest = relax(copper, calculator, cell="full", fmax=1e-3, smax=1e-5, optimizer="lbfgs")[0]
    curve = equation_of_state(rest, calculator)
    elastic = elastic_constants(rest, calculator)
    waves = phonons(rest, calculator, supercell=4)
    c11, c12, c44 = elastic.gpa[0, 0], elastic.gpa[0, 1], elastic.gpa[3, 3]
    print(
        f"{name:>10}: a = {(4 * rest.get_volume()) ** (1 / 3):.4f} Å,  B = {curve.bulk_gpa:.1f} GPa,  "
        f"C11, C12, C44 = {c11:.1f}, {c12:.1f}, {c44:.1f} GPa,  highest phonon {waves.on_mesh(8).max():.2f} THz"
    )
