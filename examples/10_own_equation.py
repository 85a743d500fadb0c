"""An equation of your own, from five lines to an operator that rolls out, says how sure it is and obeys its laws.

Here: Burgers' equation with dispersion, u_t = nu u_xx - delta u_xxx - (u^2 / 2)_x.
"""

import surrogates
from surrogates.datasets.generators import generate_fields
from surrogates.operators.fno import FNO
from surrogates.physics.fields import Equation, Grid
from surrogates.simulation.rollout import rollout
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, combine, fit

equation = Equation(
    "dispersive burgers",
    dim=1,
    fields=("u",),
    parameters=("nu", "delta"),
    linear=lambda k, p: p["nu"] * k.laplacian - p["delta"] * k.d(0) ** 3,
    nonlinear=lambda k, u, p: -0.5 * k.d(0) * k.spectrum(k.values(u) ** 2),
)
frames = [0.1 * n for n in range(9)]
numbers = {"nu": (0.01, 0.03), "delta": 2e-4}  # nu is drawn for each trajectory
data = generate_fields(equation, 300, grid=Grid(128), times=frames, parameters=numbers, seed=0)
data.save("fields.h5")  # in The Well's layout: surrogates new own-fields goes on from here

train, valid, calibration, test = data.split(0.5, 0.05, 0.2, 0.25, seed=0)
members = []
for seed in (0, 1):
    model = FNO(dim=1, modes=24, width=32, in_channels=1, out_channels=1, n_parameters=1, positions=False)
    task = OperatorMap(model, input="u[t]", target="u[t+1]", parameters="nu", conserve="u")
    members.append(fit(task, train, valid, plan=Plan(minutes=1.5, batch_size=32, lr=3e-3), seed=seed))
fitted = combine(members).calibrate(calibration)

print(fitted.evaluate(test))
print(rollout(fitted, test))
print(surrogates.check(fitted, test))
fitted.save("dispersive.safetensors")
