"""A Fourier neural operator learns Burgers' equation on 256 points and answers on 1024, which it has never seen."""

from surrogates.datasets.generators import burgers
from surrogates.operators.fno import FNO
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, fit

data = burgers(samples=1200, points=1024, nu=0.1, seed=0)
train, valid, calibration, test = data.split(0.7, 0.1, 0.1, 0.1, seed=0)
task = OperatorMap(FNO(dim=1, modes=16, width=64, in_channels=1, out_channels=1), input="u[0]", target="u[-1]")
fitted = fit(task, train.every(4), valid.every(4), plan=Plan(epochs=50, batch_size=20, lr=1e-3), seed=0)
print(fitted.evaluate(test), fitted.evaluate(test.every(4)))

sure = fitted.calibrate(calibration.every(4))
said = sure.predict(test.every(4)[:1], spread=True)
print("u at time 1:", said.fields["u"][0, 0, ::32], "+-", said.std["u"][0, 0, ::32])
sure.save("burgers.safetensors")
