"""A mesh surrogate that says how sure it is: stress in plates with a hole, on any mesh, from 120 solved ones."""

from surrogates.datasets.generators import plate
from surrogates.meshes.mmgp import MMGP

train, test = plate(samples=320, seed=0).split(120, 200, seed=0)
model = MMGP(fields=["von_mises"], modes="auto").fit(train)  # no epochs: it calibrates itself by leave-one-out
prediction = model.predict(test[0])
stress, std = prediction.fields["von_mises"], prediction.std["von_mises"]
prediction.write("plate.vtu")  # von_mises and von_mises_std, for ParaView

truth = test[0].fields["von_mises"]
for node in (truth.argmin(), truth.argmax()):
    print(f"node {node}: {stress[node]:.0f} +- {1.645 * std[node]:.0f} MPa (90 %), finite elements {truth[node]:.0f}")
peak, width = prediction.quantities["peak von_mises"]
print(f"peak: {peak:.0f} +- {1.645 * width:.0f} MPa (90 %), finite elements {truth.max():.0f}")
print(model.evaluate(test))
model.save("plate.safetensors")
