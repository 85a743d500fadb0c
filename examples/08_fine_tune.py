"""Fine-tune a surrogate to another level of theory, GFN2-xTB to GFN1-xTB, with and without forgetting the first.

Needs frames.extxyz and mine.safetensors, which 01_make_frames.py and 02_own_data.py leave behind, and the extra `xtb`.
About three CPU minutes; leaves gfn1.safetensors.
"""

from tblite.ase import TBLite

from surrogates.datasets import Structures, read_structures
from surrogates.datasets.adapters import sample_of
from surrogates.training import FineTune, Plan, fit, load, select_replay, with_replay


def at_the_new_level(structures):
    """The same geometries with labels of GFN1-xTB."""
    rows = []
    for atoms in structures:
        atoms.calc = TBLite(method="GFN1-xTB", verbosity=0)
        rows.append(sample_of(atoms, energy=atoms.get_potential_energy(), forces=atoms.get_forces()))
    return Structures(rows)


data = read_structures("frames.extxyz", energy="energy", forces="forces")
train, valid, unused, test = data.split(0.7, 0.1, 0.1, 0.1, seed=0)  # as in 02_own_data.py
new = at_the_new_level(unused.atoms)
few, few_valid, new_test = new[::2], new[1::2], at_the_new_level(test.atoms)

pretrained = load("mine.safetensors")
plan = Plan(epochs=40, batch_size=5, lr=0.002)

# Total energies of two methods differ by hundreds of eV: "refit" moves the energies of isolated atoms to the new level,
# by what the model itself gets wrong. Without `isolated` this would be an error, and not a silent disaster.
naive = fit(pretrained, few, few_valid, plan=plan, start=FineTune(isolated="refit"))
print("moved:", naive.provenance["start"]["isolated"]["moved"])

# Only the readout trains: the trunk keeps its bits.
readout = fit(pretrained, few, few_valid, plan=plan, start=FineTune(isolated="refit", freeze="trunk"))
print("parameters:", readout.provenance["parameters"])

# Two heads on one trunk: the old one goes on learning some of the old data while the new one learns the new.
both = fit(
    with_replay(pretrained),
    {"new": few, "pretrained": select_replay(train, 60, seed=0)},
    {"new": few_valid, "pretrained": valid},
    plan=plan,
    start=FineTune(isolated={"new": "refit"}),
)
print("last validation:", {name: f"{x:.3g}" for name, x in both.history[-1].items() if name.startswith("valid")})

print(f"{'force MAE, meV/Å':<20} {'new level':>10} {'old level':>10}")
for name, on_new, on_old in (
    ("pretrained", pretrained, pretrained),
    ("naive", naive, naive),
    ("frozen trunk", readout, readout),
    ("heads with replay", both.head("new"), both.head("pretrained")),
):
    print(f"{name:<20} {1e3 * on_new.evaluate(new_test).force_mae:10.1f} {1e3 * on_old.evaluate(test).force_mae:10.1f}")

both.head("new").save("gfn1.safetensors")  # a surrogate like any other: calibrate it, simulate with it
