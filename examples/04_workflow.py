"""The whole road as one file: data, training, minimum, vibrations, dynamics, scores and a report with a verdict.

The same as `surrogates run ethanol.yaml`, with fewer training frames. Needs ethanol.yaml (beside this script, or from
`surrogates new ethanol`) and the extra `xtb`; about ten minutes on two cores. Started again, it computes nothing anew.
"""

from ase.build import molecule

import surrogates

run = surrogates.run("ethanol.yaml", set={"data.walkers.train.samples": 200})

scores = run["scores"]  # results are dataclasses; their units stand in the docstrings and in result.json
print(f"force MAE of the test walker: {1000 * scores['test'].force_mae:.1f} meV/Å")
print(f"and of the hot one:           {1000 * scores['probe'].force_mae:.1f} meV/Å")
print("read", run.directory / "report.html")

# The trust check, of this surrogate or of any ASE calculator.
atoms = molecule("CH3CH2OH")
atoms.calc = surrogates.SurrogateCalculator(run.directory / "potential" / "potential.safetensors")
print(surrogates.check(atoms.calc, [atoms]))
