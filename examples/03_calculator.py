"""A trained surrogate as an ASE calculator: energy, forces, how sure it is, Hessian, and ASE's own optimisers.

Needs ethanol.safetensors, which 02_own_data.py leaves behind.
"""

import numpy as np
from ase.build import molecule
from ase.optimize import BFGS

from surrogates import SurrogateCalculator

atoms = molecule("CH3CH2OH")
atoms.calc = SurrogateCalculator("ethanol.safetensors", device="cpu", dtype="float64")
print(f"energy  {atoms.get_potential_energy():.4f} ± {atoms.calc.get_property('energy_std', atoms):.4f} eV")

forces, std = atoms.get_forces(), atoms.calc.get_property("forces_std", atoms)
for symbol, force, spread in zip(atoms.symbols, forces, std, strict=True):
    print(f"{symbol:>2}  force {np.linalg.norm(force):6.3f} ± {np.linalg.norm(spread):.3f} eV/Å")

BFGS(atoms, logfile=None).run(fmax=0.01, steps=200)
hessian = atoms.calc.get_hessian(atoms)  # (3N, 3N) eV/Å^2
print(f"relaxed to {atoms.get_potential_energy():.4f} eV; Hessian {hessian.shape}, to be used by your own tools")

# A structure unlike the training data gives an OutOfDataWarning: here the O-H bond is broken.
hydrogen, oxygen = 3, 2
atoms.positions[hydrogen] += 1.5 * (atoms.positions[hydrogen] - atoms.positions[oxygen])
print(f"O-H broken: {atoms.get_potential_energy():.4f} ± {atoms.calc.get_property('energy_std', atoms):.4f} eV")
