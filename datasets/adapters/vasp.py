"""What ASE's readers of vasprun.xml and OUTCAR leave out: which energy the forces belong to, what did not converge.

With smeared occupations VASP writes the free energy F = E - TS ("free energy TOTEN", e_fr_energy), whose derivatives
its forces and stress are, and its extrapolation to zero smearing ("energy(sigma->0)", e_0_energy), which ASE calls
`energy`. A potential learns energies and forces together, so the free energy is the one to take.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import ase

from surrogates.datasets.adapters.door import door

SIGMA0 = "energy_sigma0"
_STEP = re.compile(rb"FREE ENERGIE OF THE ION-ELECTRON SYSTEM")
_STOPPED = re.compile(rb"EDIFF was not reached")
_FINISHED = b"General timing and accounting"


def force_consistent(atoms: ase.Atoms) -> ase.Atoms:
    """The free energy under `energy`, where a frame has another one there; that one goes to `energy_sigma0`."""
    results = getattr(atoms.calc, "results", {})
    free, energy = results.get("free_energy"), results.get("energy")
    if free is not None and energy is not None and free != energy:
        results[SIGMA0], results["energy"] = energy, free
    return atoms


def unconverged(path: Path, format: str) -> dict[int, str]:
    """Why the self-consistency of a frame cannot be trusted, by frame; for "vasp-xml" and "vasp-out"."""
    return _of_xml(path) if format == "vasp-xml" else _of_outcar(path)


def cut_short(path: Path, format: str) -> str | None:
    """What the end of a whole file of this format has and `path` has not; None where it is whole."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8192))
        tail = file.read()
    if format == "vasp-xml":
        return None if tail.rstrip().endswith(b"</modeling>") else "</modeling>"
    return None if _FINISHED in tail else f"{_FINISHED.decode()} ..."


def _of_xml(path: Path) -> dict[int, str]:
    """Frames that took NELM electronic steps: VASP stops there, converged or not."""
    most, frame, found = None, 0, {}
    with door(path, reader="vasp-xml"):
        try:
            for _, element in ET.iterparse(path):
                if element.tag == "i" and element.attrib.get("name") == "NELM":
                    most = int(element.text or 0)
                elif element.tag == "calculation":
                    steps = len(element.findall("scstep"))
                    if most and steps >= most:
                        found[frame] = f"the electrons took all of NELM = {most} steps, so that they did not converge"
                    frame += 1
                    element.clear()
        except ET.ParseError:
            pass  # a truncated file, which its reader reports
    return found


def _of_outcar(path: Path) -> dict[int, str]:
    frame, found = -1, {}
    with path.open("rb") as file:
        for line in file:
            if _STOPPED.search(line):  # printed before the frame's energies
                found[frame + 1] = "EDIFF was not reached, so that the electrons did not converge"
            elif _STEP.search(line):
                frame += 1
    return found
