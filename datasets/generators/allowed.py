"""The written list of calculators that a file may name as reference, with every argument they take.

It is read in place of the classes' signatures: tblite and ASE swallow a misspelt keyword, and a calculator outside
this list may start programs or overwrite files. Standard library only, so that an editor's schema costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Argument:
    """One argument: its JSON type, the values it may take, its unit and what it means.

    Args:
        kind: "number", "integer", "boolean" or "string" (always with `choices`); "grid": three whole numbers; "files":
            a plain file name for each element.
        default: the value that stands where the file says nothing; it is passed on explicitly. None: it must be given,
            unless it is `optional`.
        low, high: bounds of a number; `low` itself is excluded when `open_low`.
    """

    kind: str
    default: Any
    meaning: str
    unit: str = ""
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Allowed:
    """A calculator class: which package and extra bring it, what it takes, whether it knows charge and spin.

    Args:
        fixed: arguments that no file may change. one_of: of these arguments exactly one is given.
        made_by: the class of ours that stands in for it. site: the module that knows the program on this machine, with
            `require(arguments)` and `identity(arguments)`.
        gamma_only: it samples no k-points, so that a periodic cell must be large.
    """

    package: str
    meaning: str
    arguments: Mapping[str, Argument]
    extra: str | None = None
    electronic: bool = False
    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    one_of: tuple[str, ...] = ()
    made_by: str | None = None
    site: str | None = None
    gamma_only: bool = False


def _positive(default: float | None, meaning: str, unit: str = "") -> Argument:
    return Argument("number", default, meaning, unit, low=0.0, open_low=True, optional=default is None)


def _count(default: int, meaning: str, high: int) -> Argument:
    return Argument("integer", default, meaning, low=1.0, high=float(high))


ELECTRONS = {
    "charge": Argument("integer", None, "total charge; the structure's own where not given", "e", optional=True),
    "multiplicity": Argument(
        "integer", None, "spin multiplicity 2S + 1; the structure's own where not given", low=1.0, optional=True
    ),
}

_TBLITE = Allowed(
    package="tblite",
    extra="xtb",
    electronic=True,
    fixed={"verbosity": 0},
    gamma_only=True,
    meaning="extended tight binding: GFN2-xTB, GFN1-xTB, IPEA1-xTB",
    arguments={
        "method": Argument("string", "GFN2-xTB", "Hamiltonian", choices=("GFN2-xTB", "GFN1-xTB", "IPEA1-xTB")),
        "accuracy": Argument(
            "number", 1.0, "convergence and cutoffs, smaller is tighter; 0.01 for data", low=1e-4, high=1e3
        ),
        "electronic_temperature": _positive(300.0, "of the Fermi smearing", "K"),
        "max_iterations": _count(250, "self-consistent iterations before it counts as failed", 10_000),
        "mixer_damping": Argument("number", 0.4, "of the charge mixer", low=0.0, high=1.0, open_low=True),
    },
)

_BASES = (
    *("sto-3g", "3-21g", "6-31g", "6-31g*", "6-31g**", "6-311g**", "6-311++g**"),
    *("def2-svp", "def2-svpd", "def2-tzvp", "def2-tzvpd", "def2-qzvp"),
    *("cc-pvdz", "cc-pvtz", "cc-pvqz", "aug-cc-pvdz", "aug-cc-pvtz"),
)

_PYSCF = Allowed(
    package="pyscf",
    extra="pyscf",
    electronic=True,
    meaning="Hartree-Fock, Kohn-Sham DFT or MP2 of a molecule, in Gaussian functions; for small accurate sets",
    arguments={
        "method": Argument("string", "DFT", "wave function or density functional", choices=("HF", "DFT", "MP2")),
        "xc": Argument(
            "string",
            "pbe0",
            "functional, for DFT",
            choices=("svwn", "pbe", "blyp", "tpss", "r2scan", "pbe0", "b3lyp", "camb3lyp", "wb97x"),
        ),
        "basis": Argument(
            "string",
            "def2-svp",
            "Gaussian basis",
            choices=_BASES,
        ),
        "grid_level": Argument("integer", 3, "integration grid of DFT", low=0.0, high=9.0),
        "conv_tol": _positive(1e-10, "self-consistency, in energy", "Hartree"),
        "max_iterations": _count(100, "self-consistent iterations before it counts as failed", 10_000),
    },
)

_ESPRESSO = Allowed(
    package="ase",
    made_by="surrogates.datasets.generators.espresso_reference:Espresso",
    site="surrogates.datasets.generators.espresso_site",
    meaning="Quantum ESPRESSO: plane-wave DFT of crystals without spin; program and pseudopotentials are the site's",
    one_of=("kpoints", "kpoint_length"),
    arguments={
        "pseudopotentials": Argument("files", None, "UPF file of each element, in the site's folder"),
        "ecutwfc": Argument("number", None, "cutoff of the wave functions", "Ry", low=5.0, high=500.0),
        "ecutrho": Argument(
            *("number", None, "cutoff of the density; 4 ecutwfc where not given", "Ry"),
            low=20.0,
            high=5000.0,
            optional=True,
        ),
        "ecfixed": Argument(
            *(
                "number",
                None,
                "kinetic energy above which qcutz is added, so that stress is the energy's derivative",
                "Ry",
            ),
            low=5.0,
            high=500.0,
            optional=True,
        ),
        "qcutz": _positive(None, "height of that step", "Ry"),
        "q2sigma": _positive(None, "width of that step", "Ry"),
        "kpoints": Argument("grid", None, "Monkhorst-Pack grid, for cells of one kind", optional=True),
        "kpoint_length": Argument(
            *("number", None, "max(1, floor(length |b| + 1/2)) k-points along each reciprocal vector b", "Å"),
            *((), 0.0, 1000.0),
            open_low=True,
            optional=True,
        ),
        "koffset": Argument("boolean", False, "shift the grid by half a step"),
        "smearing": Argument(
            "string",
            "none",
            "of the occupations; none for insulators",
            choices=("none", "gaussian", "methfessel-paxton", "marzari-vanderbilt", "fermi-dirac"),
        ),
        "degauss": _positive(0.02, "width of the smearing", "Ry"),
        "conv_thr": _positive(1e-9, "self-consistency, in energy", "Ry"),
        "max_iterations": _count(100, "self-consistent iterations before it counts as failed", 10_000),
        "mixing_beta": Argument("number", 0.7, "share of the new density", low=0.0, high=1.0, open_low=True),
    },
)

ALLOWED: Mapping[str, Allowed] = MappingProxyType(
    {
        "tblite.ase:TBLite": _TBLITE,
        "surrogates.datasets.generators.pyscf_reference:PySCF": _PYSCF,
        "ase.calculators.espresso:Espresso": _ESPRESSO,
        "ase.calculators.emt:EMT": Allowed(
            package="ase",
            meaning="effective medium theory of Al, Cu, Ag, Au, Ni, Pd, Pt and their alloys",
            arguments={"asap_cutoff": Argument("boolean", False, "cutoff from the elements present, as ASAP does")},
        ),
        "ase.calculators.lj:LennardJones": Allowed(
            package="ase",
            meaning="Lennard-Jones pairs 4 epsilon ((sigma/r)^12 - (sigma/r)^6)",
            arguments={
                "epsilon": _positive(1.0, "well depth", "eV"),
                "sigma": _positive(1.0, "distance of zero energy", "Å"),
                "rc": _positive(None, "cutoff; 3 sigma where not given", "Å"),
                "ro": _positive(None, "onset of the smooth cutoff; 0.66 rc where not given", "Å"),
                "smooth": Argument("boolean", True, "a smooth cutoff; false leaves a jump in the forces"),
            },
        ),
        "ase.calculators.morse:MorsePotential": Allowed(
            package="ase",
            meaning="Morse pairs epsilon (exp(-2 rho0 (r/r0 - 1)) - 2 exp(-rho0 (r/r0 - 1)))",
            arguments={
                "epsilon": _positive(1.0, "well depth", "eV"),
                "r0": _positive(1.0, "distance of the minimum", "Å"),
                "rho0": _positive(6.0, "steepness"),
                "rcut1": _positive(1.9, "onset of the cutoff, in units of r0"),
                "rcut2": _positive(2.7, "end of the cutoff, in units of r0"),
            },
        ),
    }
)

# What starts programs or writes files; refused even for a class that the person trusts.
REFUSED = (
    *("command", "directory", "label", "txt", "atoms", "restart", "profile", "logfile", "trajectory", "parallel"),
    *("pseudo_dir", "input_data"),
)
