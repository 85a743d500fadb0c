"""Model files of mace-torch against mace-torch itself: energies, forces, stress; and controls that must fail.

The files have random weights; benchmarks/peers/mace_files.py made them and expected.json with mace-torch 0.3.16.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from surrogates import SurrogateCalculator
from surrogates.blocks.radial import polynomial_cutoff
from surrogates.blocks.radial_embedding import RadialEmbedding
from surrogates.datasets.adapters.ase import from_ase
from surrogates.kernels import native
from surrogates.physics.errors import DomainError
from surrogates.potentials.mace_torch import convolution, layer, radial
from surrogates.potentials.mace_torch.model import read_mace_torch
from surrogates.training import info, load
from surrogates.training.mace_torch import load as load_model
from surrogates.workflows.cli import main

FOLDER = Path(__file__).parent / "mace_files"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
CASES = [(name, head) for name, heads in EXPECTED["models"].items() for head in heads]
UNSCALED = {"nonlinear", "heads_bias"}  # their embedding readout is in the energy, not in mace-torch's node energies


def structure(key: str) -> Atoms:
    s = EXPECTED["structures"][key]
    info = {"charge": s["charge"], "multiplicity": s["spin"]}
    return Atoms(s["numbers"], s["positions"], cell=s["cell"], pbc=s["pbc"], info=info)


@pytest.fixture
def eager(monkeypatch):
    """No native code: compiling it for every one of these shapes would take longer than the tests."""
    monkeypatch.setattr(native, "works", lambda: False)


def predicted(fitted, key: str):
    batch = from_ase([structure(key)], dtype=torch.float64)
    return fitted.predict(batch.with_edges(fitted.r_max), stress=EXPECTED["structures"][key]["pbc"])


def energy_error(name: str, head: str) -> float:
    """Largest |dE| of all structures, eV/atom."""
    fitted = load_model(FOLDER / f"{name}.model", head=head)
    found = []
    for key in EXPECTED["structures"]:
        wanted = EXPECTED["models"][name][head][key]
        with torch.no_grad():
            batch = from_ase([structure(key)], dtype=torch.float64).with_edges(fitted.r_max)
            found.append(abs(fitted.task(batch).sum().item() - wanted["energy"]) / len(wanted["forces"]))
    return max(found)


@pytest.mark.parametrize(("name", "head"), CASES)
def test_equals_mace_torch(name, head, eager):
    fitted = load(FOLDER / f"{name}.model", head=head)
    for key in EXPECTED["structures"]:
        wanted, result = EXPECTED["models"][name][head][key], predicted(fitted, key)
        n = len(wanted["forces"])
        assert abs(result.energy.item() - wanted["energy"]) <= 1e-9 * n
        if name not in UNSCALED:
            np.testing.assert_allclose(result.energies.numpy(), wanted["energies"], rtol=0, atol=1e-9)
        if name == "chebyshev":
            continue  # its forces are another test
        np.testing.assert_allclose(result.forces.numpy(), wanted["forces"], rtol=0, atol=1e-8)
        if "stress" in wanted:
            np.testing.assert_allclose(result.stress[0].numpy(), wanted["stress"], rtol=0, atol=1e-10)


def test_the_files_have_power():
    """Forces of eV/Å, neighbours inside the repulsion, and energies that every head and every structure changes."""
    for name, head in CASES:
        forces = np.array(EXPECTED["models"][name][head]["crystal"]["forces"])
        assert 0.05 < np.abs(forces).max() < 1e4, name
    heads = EXPECTED["models"]["heads"]
    assert abs(heads["pbe"]["crystal"]["energy"] - heads["r2scan"]["crystal"]["energy"]) > 0.1


def test_native_code_gives_the_same():
    fitted = load(FOLDER / "density.model")
    wanted = EXPECTED["models"]["density"]["Default"]["close"]
    np.testing.assert_allclose(predicted(fitted, "close").forces.numpy(), wanted["forces"], rtol=0, atol=1e-8)


def test_chebyshev_forces_are_those_of_the_energy(eager):
    """mace-torch's Chebyshev operator has no gradient, so its forces miss a term; ours are true ones."""
    fitted = load(FOLDER / "chebyshev.model")
    batch = from_ase([structure("crystal")], dtype=torch.float64)
    forces = predicted(fitted, "crystal").forces

    def energy(x: float) -> float:
        moved = batch.positions.clone()
        moved[1, 2] += x
        atoms = from_ase([Atoms(batch.numbers, moved, cell=batch.cell[0], pbc=True)], dtype=torch.float64)
        return fitted.predict(atoms.with_edges(fitted.r_max)).energy.item()

    assert forces[1, 2].item() == pytest.approx((energy(-1e-4) - energy(1e-4)) / 2e-4, abs=1e-6)
    theirs = EXPECTED["models"]["chebyshev"]["Default"]["crystal"]["forces"]
    assert abs(theirs[1][2] - forces[1, 2].item()) > 1e-2


def test_wrong_phases_are_seen(eager, monkeypatch):
    assert energy_error("rotations_only", "Default") < 1e-9
    monkeypatch.setattr(convolution, "sign", lambda l1, l2, l3: (-1) ** (l1 + l2 + l3))
    assert energy_error("rotations_only", "Default") > 1e-5


def test_rounding_of_a_float32_network_is_seen(eager, monkeypatch):
    """Its second layer carries eV, so that the file would fail without it."""
    real = layer.interaction
    assert energy_error("single_precision", "Default") < 1e-11
    monkeypatch.setattr(layer, "interaction", lambda block, n, order, rounded: real(block, n, order, False))
    assert energy_error("single_precision", "Default") > 1e-8


MERGED = {
    "one matrix for all paths": lambda rows: rows.mean(0, keepdim=True).expand_as(rows),
    "channels outside, paths inside": lambda rows: rows.transpose(0, 1).reshape(rows.shape),
    "each path with a norm of its own": lambda rows: rows * len(rows) ** 0.5,
}


@pytest.mark.parametrize("merged", MERGED)
def test_merged_paths_of_the_convolution_are_seen(merged, eager, monkeypatch):
    """What comes out of a product keeps a block, and so a matrix, for each path: (paths, channels, outputs)."""
    real = convolution.Convolution.rows

    def rows(paths, matrix, irrep):
        found = real(paths, matrix, irrep).unflatten(0, (-1, paths.seen.channels))
        return MERGED[merged](found).flatten(0, 1)

    monkeypatch.setattr(convolution.Convolution, "rows", rows)
    assert energy_error("residual", "Default") > 1e-3


def test_missing_head_mask_is_seen(eager):
    masked, unmasked = (load_model(FOLDER / "heads_bias.model", head="dft", mask_first=m) for m in (True, False))
    batch = from_ase([structure("crystal")], dtype=torch.float64).with_edges(4.0)
    assert abs(masked.predict(batch).energy - unmasked.predict(batch).energy).item() > 1e-3


def test_repulsion_outside_the_scale_is_seen(eager, monkeypatch):
    real = radial.CoreRepulsion
    monkeypatch.setattr(radial, "CoreRepulsion", lambda *a, **k: real(*a, **{**k, "strength": 1.0}))
    assert energy_error("density", "Default") > 1e-3


@pytest.mark.parametrize("name", ["density", "gaussian"])
def test_cutoff_of_the_transformed_distance_and_missing_transform_are_seen(name, eager, monkeypatch):
    """Agnesi's and the soft transform are for the basis alone: the cutoff is one of the distance itself."""

    def cut_where_transformed(self, r, z_i, z_j):
        t = self.transform(r, z_i, z_j)
        return self.basis(t) * polynomial_cutoff(t, self.r_max, self.cutoff_p)[:, None], None

    def untransformed(self, r, z_i, z_j):
        return self.basis(r) * polynomial_cutoff(r, self.r_max, self.cutoff_p)[:, None], None

    for wrong in (cut_where_transformed, untransformed):
        monkeypatch.setattr(RadialEmbedding, "forward", wrong)
        assert energy_error(name, "Default") > 1e-3, wrong.__name__


def test_converted_file_is_a_checkpoint_of_ours(eager, tmp_path, capsys):
    target = tmp_path / "heads.safetensors"
    with pytest.raises(SystemExit) as done:
        main(["convert", str(FOLDER / "heads_bias.model"), str(target)])
    assert done.value.code == 0
    assert "converted from" in capsys.readouterr().out
    assert load(target).heads == ("Default", "dft")
    for source in (FOLDER / "heads_bias.model", target):
        assert "mace-torch" in info(source)
        atoms = structure("molecule")
        atoms.calc = SurrogateCalculator(source, head="dft")
        wanted = EXPECTED["models"]["heads_bias"]["dft"]["molecule"]
        assert atoms.get_potential_energy() == pytest.approx(wanted["energy"], abs=1e-9)
        np.testing.assert_allclose(atoms.get_forces(), wanted["forces"], rtol=0, atol=1e-8)


def test_heads_share_one_trunk_and_must_be_named(eager):
    fitted = load(FOLDER / "heads.model")
    first, second = (fitted.members[0].head(name).model for name in ("pbe", "r2scan"))
    assert first.trunk is second.trunk
    with pytest.raises(DomainError, match="pbe, r2scan"):
        SurrogateCalculator(FOLDER / "heads.model")
    with pytest.raises(DomainError, match=r"no head 'scan'.*pbe, r2scan"):
        SurrogateCalculator(FOLDER / "heads.model", head="scan")


def test_elements_and_charges_that_a_model_lacks_are_refused(eager):
    atoms = structure("molecule")
    atoms.calc = SurrogateCalculator(FOLDER / "heads_bias.model", head="dft")
    atoms.info["charge"] = 7
    with pytest.raises(DomainError, match=r"charge 7.*-4 to 4"):
        atoms.get_potential_energy()
    atoms.numbers[0] = 7
    with pytest.raises(DomainError, match="N is unknown"):
        atoms.get_potential_energy()


def test_last_layer_is_linear_and_skin_edges_change_nothing(eager):
    for name in ("nonlinear", "attention", "residual"):
        model = read_mace_torch(FOLDER / f"{name}.model").heads[0].model
        near = from_ase([structure("crystal")], dtype=torch.float64).with_edges(4.0)
        far = from_ase([structure("crystal")], dtype=torch.float64).with_edges(4.6)
        torch.testing.assert_close(model(far), model(near), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(model.features(near) @ model.last_layer.weight[0], model(near))


@pytest.mark.parametrize("ask", ["predict", "check"])
@pytest.mark.parametrize(
    ("head", "code", "said"), [(None, 2, "--head pbe"), ("x", 2, "no head 'x'"), ("r2scan", 0, "")]
)
def test_the_command_line_takes_a_head(ask, head, code, said, eager, tmp_path, capsys):
    atoms = structure("crystal")
    atoms.info = {}
    atoms.write(tmp_path / "one.xyz", format="extxyz")
    asked = [ask, str(FOLDER / "heads.model"), str(tmp_path / "one.xyz")]
    with pytest.raises(SystemExit) as done:
        main(asked + (["--head", head] if head else []))
    assert done.value.code == code
    assert said in capsys.readouterr().err
