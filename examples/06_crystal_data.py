"""Reference data of a crystal, and a potential trained on energies, forces and stresses.

EMT stands for the reference, so that nothing is to be installed; another is named in its place, such as
{"use": "ase.calculators.espresso:Espresso", "pseudopotentials": {"Cu": "Cu.pz-d-rrkjus.UPF"}, "ecutwfc": 30,
"kpoint_length": 25, "smearing": "marzari-vanderbilt"}. Three CPU minutes of training; leaves copper.safetensors.
"""

from surrogates.datasets.generators import generate
from surrogates.potentials.mace import MACE
from surrogates.tasks.energy import EnergyForces
from surrogates.training import Plan, fit

cell = {"bulk": "Cu", "a": 3.6, "cubic": True}
large = {**cell, "repeat": 2}
walkers = {
    "train": [  # one part of four walkers; the last two start from structures of their own
        {"rattle": 0.10, "strain": 0.02, "samples": 160},
        {"rattle": 0.02, "strain": 0.01, "volume": [0.94, 1.06], "samples": 100},
        {"rattle": 0.06, "samples": 12, "structures": {**large, "vacancies": 1}},
        {"temperature": 600, "timestep": 4, "samples": 16, "structures": large},
    ],
    "valid": {"rattle": 0.08, "strain": 0.015, "samples": 30},
    "calibration": {"rattle": 0.08, "strain": 0.015, "samples": 40},
    "test": {"temperature": 600, "timestep": 4, "samples": 20, "structures": large},
    "surface": {"rattle": 0.05, "samples": 10, "structures": {**cell, "miller": [1, 1, 1], "layers": 4}},
}
data = generate(cell, {"use": "ase.calculators.emt:EMT"}, walkers, spacing=80, seed=0)
print({name: f"{len(data[name])} structures, {data.calls[name]} calls" for name in data})

model = MACE(elements=["Cu"], r_max=5.0, hidden="32x0e + 32x1o", edge_l_max=3, correlation=3)
# An error of 0.1 GPa shall cost as much as one of 9 meV/Å: elastic constants are differences of small stresses.
plan = Plan(minutes=3, weights={"energy": 10, "forces": 100, "stress": 20000})
fitted = fit(EnergyForces(model), data["train"], data["valid"], plan=plan, seed=0).calibrate(data["calibration"])
fitted.save("copper.safetensors")
print("dynamics at 600 K\n", fitted.evaluate(data["test"]))
print("a (111) surface, which it was never shown\n", fitted.evaluate(data["surface"]))
