"""The only conversion factors. Inside: eV, Å, amu, elementary charges; ASE's internal time Å sqrt(amu/eV).

Values are those of ASE (CODATA 2014), so that numbers agree with ASE's to the bit.
"""

from ase import units as _ase

FS = float(_ase.fs)  # one femtosecond in ASE's internal time
KB = float(_ase.kB)  # eV/K
GPA = float(_ase.GPa)  # eV/Å^3
HARTREE = float(_ase.Hartree)  # eV
BOHR = float(_ase.Bohr)  # Å
COULOMB = HARTREE * BOHR  # e^2 / (4 pi epsilon_0), eV Å
KCAL_PER_MOL = float(_ase.kcal / _ase.mol)  # eV
KJ_PER_MOL = float(_ase.kJ / _ase.mol)  # eV
DEBYE = float(_ase.Debye)  # e Å
INVERSE_CM = float(_ase.invcm)  # eV
AMU_PER_A3 = float(_ase.kg / 1e3 / (_ase.m / 100) ** 3)  # one g/cm^3 in amu/Å^3
HBAR = float(_ase._hbar * _ase.J * _ase.s)  # eV times ASE's internal time
