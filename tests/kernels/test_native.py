"""Compiling: one private cache, one notice without a compiler, the same numbers either way."""

import os
import subprocess
import sys
import textwrap
import warnings

import pytest
import torch

from surrogates.kernels import native
from surrogates.kernels.native import cache_folder, usable

needs_compiler = pytest.mark.skipif(not usable(torch.zeros(1)), reason="no C compiler here")

ENERGY = textwrap.dedent(
    """
    import warnings
    import torch
    from ase.build import molecule
    from surrogates import SurrogateCalculator
    from surrogates.potentials.mace import MACE
    torch.manual_seed(0)
    model = MACE(elements=["H", "C", "O"], hidden="4x0e + 4x1o", edge_l_max=1, correlation=2).double()
    atoms = molecule("CH3CH2OH")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        atoms.calc = SurrogateCalculator(model)
        for _ in range(2):
            atoms.positions[0] += 0.01
            atoms.get_forces()
    print(f"{atoms.get_potential_energy():.10f}", sum("native" in str(w.message) for w in caught))
    """
)


def energy_and_notices(**environment: str) -> tuple[str, int]:
    command = [sys.executable, "-c", ENERGY]
    found = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    energy, notices = found.stdout.split()
    return energy, int(notices)


@needs_compiler
def test_without_a_compiler_the_same_numbers_and_one_notice(tmp_path):
    with_code = energy_and_notices(SURROGATES_CACHE=str(tmp_path))
    assert list((tmp_path / "surrogates" / "kernels").glob("*.so"))
    assert energy_and_notices(PATH=str(tmp_path)) == (with_code[0], 1)
    assert with_code[1] == 0


def test_a_broken_compiler_is_noticed_and_a_choice_is_not(monkeypatch):
    monkeypatch.setattr(native, "compiler", lambda: "false")
    with pytest.warns(native.NoCompiler, match="cannot be built here"):
        assert not native.works.__wrapped__()
    monkeypatch.setattr(native, "compiler", lambda: None)
    monkeypatch.setenv("SURROGATES_NATIVE", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not native.works.__wrapped__()


def test_the_cache_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path))
    own = cache_folder.__wrapped__()
    assert own == tmp_path / "surrogates" / "kernels"
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)  # others could put code there
    other = cache_folder.__wrapped__()
    assert other != own
    assert other.stat().st_mode & 0o077 == 0


@needs_compiler
def test_a_library_is_compiled_once(tmp_path, monkeypatch):
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path)
    source = "void run(double *x) { x[0] = 2.5; }\n"
    x = torch.zeros(1, dtype=torch.float64)
    native._load(native.compiler(), source)(native.pointer(x))
    assert x.item() == 2.5
    [library] = tmp_path.glob("*.so")
    before = library.stat().st_mtime_ns
    native._load(native.compiler(), source)
    assert library.stat().st_mtime_ns == before
    assert [p.name for p in tmp_path.iterdir()] == [library.name]  # nothing half made is left


@needs_compiler
@pytest.mark.parametrize(("channels", "lanes"), [(128, 16), (32, 16), (12, 4), (7, 1)])
def test_vectors_divide_the_channels(channels, lanes, monkeypatch):
    monkeypatch.setattr(native, "_register_bytes", lambda: 64)
    assert native.lanes(channels, torch.float32) == lanes
