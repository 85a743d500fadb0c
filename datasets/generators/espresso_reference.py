"""Quantum ESPRESSO's pw.x through ASE's input and output: plane-wave density functional theory of crystals.

Each calculation runs in a private temporary folder, in one thread, and starts from atomic densities, so that a label is
a function of structure and arguments. Program and pseudopotentials are the site's (`espresso_site.py`).
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculationFailed, Calculator, SCFError, all_changes
from ase.io import read
from ase.io.espresso import write_espresso_in
from jaxtyping import Float

from surrogates.datasets.generators.espresso_site import Site, espresso_site, pseudopotentials, run_environment
from surrogates.physics.errors import DomainError

_ERROR = re.compile(r"Error in routine\s+(.*?)\n\s*(.*?)\n", re.DOTALL)
_UNCONVERGED = re.compile(r"convergence NOT achieved after\s+(\d+)\s+iterations")


class Espresso(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3) of a crystal without spin.

    With smearing the energy is the free energy E - TS, to which forces and stress belong.

    Args:
        pseudopotentials: file of each element, in the site's folder. They bring the functional.
        ecutwfc, ecutrho: cutoffs of wave functions and density, Ry; 4 ecutwfc where the latter is None.
        ecfixed, qcutz, q2sigma: a smooth step of height qcutz and width q2sigma, Ry, is added to kinetic energies above
            ecfixed. Plane waves that come and go with the cell then weigh nothing, and stress is the energy's
            derivative (M. Bernasconi and others, doi:10.1016/0022-3697(94)00228-2); None leaves it out.
        kpoints: a Monkhorst-Pack grid; or kpoint_length: Å, see `grid`. koffset: shift the grid by half a step.
        smearing: "none" for insulators, or a kind; degauss: its width, Ry.
        conv_thr: Ry, of the self-consistent energy. max_iterations: not converging in them raises ASE's SCFError.
        mixing_beta: share of the new density that is mixed in.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 (ASE declares it so)

    def __init__(
        self,
        *,
        pseudopotentials: Mapping[str, str],
        ecutwfc: float,
        ecutrho: float | None = None,
        ecfixed: float | None = None,
        qcutz: float | None = None,
        q2sigma: float | None = None,
        kpoints: Sequence[int] | None = None,
        kpoint_length: float | None = None,
        koffset: bool = False,
        smearing: str = "none",
        degauss: float = 0.02,
        conv_thr: float = 1e-9,
        max_iterations: int = 100,
        mixing_beta: float = 0.7,
    ) -> None:
        step = (ecfixed, qcutz, q2sigma)
        if any(v is None for v in step) and any(v is not None for v in step):
            raise DomainError(
                f"Espresso: ecfixed={ecfixed}, qcutz={qcutz} and q2sigma={q2sigma} belong together; give all or none, "
                "such as 18, 20 and 3 Ry with ecutwfc 24"
            )
        super().__init__(
            pseudopotentials=dict(pseudopotentials),
            ecutwfc=ecutwfc,
            ecutrho=ecutrho,
            ecfixed=ecfixed,
            qcutz=qcutz,
            q2sigma=q2sigma,
            kpoints=None if kpoints is None else tuple(kpoints),
            kpoint_length=kpoint_length,
            koffset=koffset,
            smearing=smearing,
            degauss=degauss,
            conv_thr=conv_thr,
            max_iterations=max_iterations,
            mixing_beta=mixing_beta,
        )

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Fill `results`; SCFError or CalculationFailed when pw.x gives none, DomainError for what is no crystal."""
        super().calculate(atoms, properties, system_changes)
        bare: Any = self.atoms
        names: dict[str, str] = self.parameters["pseudopotentials"]
        _require_crystal(bare, names)
        site = espresso_site()
        pseudopotentials(site, names)
        with tempfile.TemporaryDirectory(prefix="surrogates-") as folder:
            self.results = self._run(bare, site, Path(folder))

    def _run(self, atoms: Atoms, site: Site, folder: Path) -> dict[str, Any]:
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        with (folder / "pw.in").open("w") as file:
            write_espresso_in(
                file,
                bare,
                input_data=self._namelists(site, folder),
                pseudopotentials=self.parameters["pseudopotentials"],
                kpts=self._grid(bare),
                koffset=(int(self.parameters["koffset"]),) * 3,
            )
        with (folder / "pw.out").open("wb") as out:
            ended = subprocess.run(
                [*site.command, "-in", "pw.in"], cwd=folder, env=run_environment(), stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, check=False,
            ).returncode  # fmt: skip
        _require_success((folder / "pw.out").read_text(errors="replace"), ended)
        try:
            known: dict[str, Any] = read(folder / "pw.out", format="espresso-out").calc.results  # type: ignore[union-attr]
        except Exception as error:  # whatever ASE's reader meets in a foreign text
            raise CalculationFailed(f"what pw.x wrote cannot be read: {type(error).__name__}: {error}") from error
        if any(known.get(name) is None for name in ("energy", "forces", "stress")):
            raise CalculationFailed("pw.x ended without energy, forces or stress")
        return {**{n: known[n] for n in ("energy", "forces", "stress")}, "free_energy": known["energy"]}

    def _namelists(self, site: Site, folder: Path) -> dict[str, dict[str, Any]]:
        p: Any = self.parameters
        names = ("ecutwfc", "ecutrho", "ecfixed", "qcutz", "q2sigma")
        system: dict[str, Any] = {name: p[name] for name in names if p[name] is not None}
        if p.smearing != "none":
            system |= {"occupations": "smearing", "smearing": p.smearing, "degauss": p.degauss}
        electrons = {"conv_thr": p.conv_thr, "electron_maxstep": p.max_iterations, "mixing_beta": p.mixing_beta}
        control = {
            "calculation": "scf",
            "tprnfor": True,
            "tstress": True,
            "disk_io": "none",
            "outdir": str(folder),
            "pseudo_dir": str(site.pseudo_dir),
        }
        return {"control": control, "system": system, "electrons": electrons}

    def _grid(self, atoms: Atoms) -> tuple[int, ...]:
        p: Any = self.parameters
        return p.kpoints if p.kpoint_length is None else grid(atoms.cell.array, p.kpoint_length)


def grid(cell: Float[np.ndarray, "3 3"], length: float | int) -> tuple[int, ...]:
    """k-points along each reciprocal vector, max(1, floor(length |b| + 1/2)), b without 2 pi: VASP's automatic mesh.

    Supercells that divide the grid of the unit cell get the same k-points folded, so that energies agree to the digit.
    """
    reciprocal = np.linalg.norm(np.linalg.inv(cell), axis=0)
    return tuple(max(1, int(np.floor(length * b + 0.5))) for b in reciprocal)


def _require_crystal(atoms: Atoms, names: Mapping[str, str]) -> None:
    if not atoms.pbc.all():
        raise DomainError(
            f"{atoms.symbols} is periodic along {atoms.pbc.tolist()}; plane waves repeat in all directions, so give a "
            "cell (a vacuum of 10 Å about a slab or molecule) and set pbc to true"
        )
    missing = sorted(set(atoms.get_chemical_symbols()) - set(names))
    if missing:
        raise DomainError(
            f"{atoms.symbols} needs pseudopotentials of {', '.join(missing)}; the reference names "
            f"{', '.join(f'{k}: {v}' for k, v in names.items())}"
        )


def _require_success(said: str, code: int) -> None:
    if (stopped := _UNCONVERGED.search(said)) is not None:
        raise SCFError(
            f"pw.x was not self-consistent after {stopped[1]} iterations; raise max_iterations, lower mixing_beta, or "
            "give a smearing (metals)"
        )
    if (error := _ERROR.search(said)) is not None:
        raise CalculationFailed(f"pw.x stopped: {' '.join(error[2].split())} (routine {' '.join(error[1].split())})")
    if code != 0 or "JOB DONE" not in said:
        last = " ".join(said.strip().splitlines()[-3:])[-200:]
        raise CalculationFailed(f"pw.x ended with code {code} before it was done: {last or 'it said nothing'}")
