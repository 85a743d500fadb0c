"""Reference data by GFN2-xTB: four independent walkers of ethanol at 500 K, written as frames.extxyz.

Needs the extra `xtb`. About one CPU minute for the default of 600 frames; another number is the first argument.
"""

import sys

from ase.io import write

from surrogates.datasets.generators import generate

frames = int(sys.argv[1]) if len(sys.argv) > 1 else 600
walkers = {f"walker-{k}": {"temperature": 500, "samples": max(frames // 4, 1)} for k in range(4)}

# The reference is GFN2-xTB unless another is named: a specification from the written list, or any ASE calculator.
parts = generate({"molecule": "CH3CH2OH"}, walkers=walkers, spacing=25, seed=0, workers=2)

labelled = [atoms for name in parts for atoms in parts[name].atoms]
write("frames.extxyz", labelled)  # keys energy (eV) and forces (eV/Å)
print(f"frames.extxyz: {len(labelled)} frames of {labelled[0].symbols}, labelled with {parts.reference}")
