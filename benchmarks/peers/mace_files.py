"""Small mace-torch model files with random weights, and what mace-torch says of structures with them.

Run in the peer's own environment: python mace_files.py FOLDER [NAME ...]. Writes NAME.model for every entry of MODELS
and one expected.json: structures, and energy, forces, stress and node energies of each file in float64. With names, the
other entries stay as they are.
Weights are made large enough that every term counts: biases and the density's beta are random, products and readouts
are multiplied. Energies of one structure (`close`) have neighbours inside the sum of covalent radii, where ZBL acts.
"""

import json
import os
import sys
from pathlib import Path

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn 0.4.4 reads its own constants with slices in them

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule
from e3nn import o3
from mace import data, modules, tools
from mace.tools import torch_geometric

R_MAX = 4.0
ELEMENTS = [1, 6, 8]
BLOCK = "RealAgnostic{}InteractionBlock"
DEFAULT = {
    "first": "Residual", "later": "Residual", "hidden": "8x0e + 8x1o", "max_ell": 2, "correlation": 3, "layers": 2,
    "mlp": "6x0e", "gate": "silu", "scaled": True, "dtype": "float64", "heads": None,
    "readout": "NonLinearReadoutBlock", "radial": 1.0,
}  # fmt: skip
EMBEDDING = {
    "total_charge": {"type": "categorical", "per": "graph", "num_classes": 9, "offset": 4, "emb_dim": 5},
    "total_spin": {"type": "continuous", "per": "graph", "in_dim": 1, "emb_dim": 4},
}
MODELS = {
    "residual": {},
    "unscaled": {"scaled": False, "first": "", "correlation": 2, "options": {"pair_repulsion": True}},
    "density": {
        "first": "Density", "later": "DensityResidual", "max_ell": 3, "hidden": "8x0e + 8x1o", "correlation": [2, 3],
        "options": {"pair_repulsion": True, "distance_transform": "Agnesi"},
    },
    "density_uncut": {
        "first": "DensityResidual", "later": "Density", "correlation": 2, "options": {"apply_cutoff": False},
    },
    "attention": {"first": "AttResidual", "later": "", "hidden": "4x0e", "correlation": 1, "dtype": "float32"},
    "attention_uncut": {
        "first": "", "later": "AttResidual", "hidden": "4x0e + 4x1o", "max_ell": 1, "correlation": 2,
        "dtype": "float32",
        "options": {"apply_cutoff": False},
    },
    "nonlinear": {
        "first": "ResidualNonLinear", "later": "ResidualNonLinear", "hidden": "8x0e + 8x1o + 8x2e", "correlation": 2,
        "layers": 3, "readout": "NonLinearBiasReadoutBlock",
        "options": {
            "apply_cutoff": False, "edge_irreps": o3.Irreps("4x0e + 4x1o"), "use_edge_irreps_first": True,
            "embedding_specs": EMBEDDING, "use_embedding_readout": True,
        },
    },
    "nonlinear_first": {"first": "ResidualNonLinear", "later": "", "correlation": [2, 3]},
    "edges": {"max_ell": 2, "correlation": 2, "options": {"edge_irreps": o3.Irreps("6x0e + 3x1o")}},
    "gaussian": {
        "options": {"radial_type": "gaussian", "distance_transform": "Soft"}, "gate": "tanh", "correlation": 2,
    },
    "chebyshev": {
        "options": {"radial_type": "chebyshev", "distance_transform": "Agnesi"}, "gate": "abs", "correlation": 2,
    },
    "rotations_only": {"max_ell": 3, "hidden": "6x0e + 6x1e", "options": {"use_so3": True}, "correlation": 2},
    "parity": {"hidden": "4x0e + 4x0o + 4x1o + 4x1e", "correlation": 2},
    "linear": {"correlation": 1, "gate": None, "options": {"use_last_readout_only": True}},
    "fourth": {"correlation": [4, 1], "hidden": "6x0e + 6x1o", "max_ell": 1},
    "one_layer": {"layers": 1, "options": {"radial_MLP": [16]}},
    "low_harmonics": {"max_ell": 1, "hidden": "6x0e + 6x1o + 6x2e", "correlation": 2},
    "agnostic": {"options": {"use_agnostic_product": True, "keep_last_layer_irreps": True}, "correlation": 2},
    "heads": {"heads": ["pbe", "r2scan"], "correlation": 2},
    "heads_bias": {
        "heads": ["Default", "dft"], "readout": "NonLinearBiasReadoutBlock", "correlation": 2,
        "options": {"pair_repulsion": True, "embedding_specs": EMBEDDING, "use_embedding_readout": True},
    },
    "single_precision": {"dtype": "float32", "max_ell": 3, "correlation": [2, 3], "radial": 10.0},
    "single_density": {
        "dtype": "float32", "first": "Density", "later": "DensityResidual", "correlation": 2, "heads": ["a", "b"],
        "options": {"pair_repulsion": True, "distance_transform": "Agnesi"},
    },
}  # fmt: skip


def structures():
    """A molecule, two crystals, and one of these with neighbours inside the sum of covalent radii."""
    ethanol = molecule("CH3CH2OH")
    ethanol.rattle(0.08, seed=1)
    ethanol.info.update(charge=-1, spin=2)
    crystal = Atoms(
        "COHC", scaled_positions=[[0, 0, 0], [0.5, 0.45, 0.1], [0.1, 0.55, 0.5], [0.55, 0.02, 0.52]],
        cell=[[3.4, 0.3, 0.1], [0.0, 3.6, 0.4], [-0.2, 0.1, 3.3]], pbc=True, info={"charge": 0, "spin": 1},
    )  # fmt: skip
    diamond = bulk("C", "diamond", a=3.57)
    diamond.positions[1] += [0.05, -0.03, 0.02]
    diamond.info.update(charge=0, spin=1)
    close = crystal.copy()
    close.positions[1] = close.positions[0] + [0.7, 0.75, 0.5]  # 1.14 Å
    return {"molecule": ethanol, "crystal": crystal, "diamond": diamond, "close": close}


def make(
    first, later, hidden, max_ell, correlation, layers, mlp, gate, scaled, dtype, heads, readout, radial, options=()
):
    """A model from the settings of MODELS."""
    torch.set_default_dtype(getattr(torch, dtype))
    torch.manual_seed(7)
    n_heads = len(heads or [0])
    rng = np.random.default_rng(3)
    isolated = rng.normal(size=(n_heads, 3)) * 5 if heads else rng.normal(size=3) * 5
    gates = {"silu": torch.nn.functional.silu, "tanh": torch.tanh, "abs": torch.abs, None: None}
    arguments = dict(
        r_max=R_MAX, num_bessel=5, num_polynomial_cutoff=5, max_ell=max_ell, num_interactions=layers, num_elements=3,
        interaction_cls=modules.interaction_classes[BLOCK.format(later)],
        interaction_cls_first=modules.interaction_classes[BLOCK.format(first)], hidden_irreps=o3.Irreps(hidden),
        MLP_irreps=o3.Irreps(mlp), gate=gates[gate], atomic_energies=isolated, avg_num_neighbors=7.3,
        atomic_numbers=ELEMENTS, correlation=correlation, heads=heads, radial_MLP=[8, 12],
        readout_cls=getattr(modules.blocks, readout),
    ) | dict(options)  # fmt: skip
    if scaled:
        scale = [0.7, 1.3] if heads else 0.7
        shift = [0.2, -0.4] if heads else 0.2
        model = modules.ScaleShiftMACE(atomic_inter_scale=scale, atomic_inter_shift=shift, **arguments)
    else:
        model = modules.MACE(**arguments)
    strengthen(model, radial)
    return model


@torch.no_grad()
def strengthen(model, radial):
    """Weights so large that every term counts; `radial` multiplies the radial weights of the second layer."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or ".linear_mid.bias" in name or ".linear_2.bias" in name:
            parameter.copy_(torch.randn_like(parameter) * 0.5)
        elif name.endswith("beta"):
            parameter.fill_(0.6)
        elif name.endswith("alpha"):
            parameter.fill_(4.0)
        elif "symmetric_contractions" in name:  # products of products of products would reach 1e9 eV
            parameter.mul_(4.0 if len(model.interactions) < 3 else 0.25)
        elif "conv_tp_weights.layer2" in name:  # of the second layer: its couplings are those that float32 rounds
            parameter.mul_(radial)
        elif "readouts" in name:
            parameter.mul_(2.0)
        elif ("_embedding.weight" in name and "interactions" in name) or name.startswith("joint_embedding"):
            parameter.copy_(torch.randn_like(parameter))


def batch(atoms, heads, head):
    """One structure as mace-torch's input."""
    table = tools.AtomicNumberTable(ELEMENTS)
    keys = data.KeySpecification(info_keys={"total_charge": "charge", "total_spin": "spin"}, arrays_keys={})
    config = data.config_from_atoms(atoms, key_specification=keys, head_name=head)
    graph = data.AtomicData.from_config(config, z_table=table, cutoff=R_MAX, heads=heads)
    return next(iter(torch_geometric.dataloader.DataLoader([graph], batch_size=1))).to_dict()


def evaluate(model, atoms, heads, head):
    """Energy, forces, node energies and, of a crystal, stress in float64."""
    torch.set_default_dtype(torch.float64)
    out = model(batch(atoms, heads, head), compute_stress=bool(atoms.pbc.all()))
    s = out["stress"]
    found = {"energy": out["energy"].item(), "forces": out["forces"].tolist(), "energies": out["node_energy"].tolist()}
    if s is not None:
        found["stress"] = [s[0, i, j].item() for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]
    return found


def main(folder, *names):
    known = structures()
    target = folder / "expected.json"
    expected = json.loads(target.read_text()) if names else {"structures": {}, "models": {}}
    for name, atoms in known.items():
        expected["structures"][name] = {
            "numbers": atoms.numbers.tolist(), "positions": atoms.positions.tolist(), "cell": atoms.cell.tolist(),
            "pbc": bool(atoms.pbc.all()), "charge": atoms.info["charge"], "spin": atoms.info["spin"],
        }  # fmt: skip
    for name, changes in MODELS.items():
        if names and name not in names:
            continue
        settings = DEFAULT | changes
        model = make(**settings)
        torch.save(model, folder / f"{name}.model")
        model = model.double()
        heads = settings["heads"] or ["Default"]
        expected["models"][name] = {
            head: {key: evaluate(model, atoms, heads, head) for key, atoms in known.items()} for head in heads
        }
        size = (folder / f"{name}.model").stat().st_size
        energies = [f"{v['energy']:.3f}" for v in expected["models"][name][heads[0]].values()]
        print(f"{name:20} {size / 1e3:6.0f} kB {' '.join(energies)}", flush=True)
    target.write_text(json.dumps(expected))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
