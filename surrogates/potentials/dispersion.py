"""London dispersion by D3 and D4, from the authors' own libraries (extra `dispersion`); for `Sum(DFTD3("pbe"), model)`.

Papers: A consistent and accurate ab initio parametrization of density functional dispersion correction (DFT-D) for the
94 elements H-Pu (doi:10.1063/1.3382344), D3; Effect of the damping function in dispersion corrected density functional
theory (doi:10.1002/jcc.21759), its rational damping; A generally applicable atomic-charge dependent London dispersion
correction (doi:10.1063/1.5090222), D4.

Energies, gradients and virials are the libraries' analytic ones and pass through autograd. Second derivatives, which
Hessians need, are differences of the analytic gradient along the direction that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.atoms.all_pairs import complete_cell
from surrogates.physics.errors import DomainError, MissingExtra
from surrogates.physics.units import BOHR, HARTREE

_STEP = 0.001  # Å; fourth-order differences of the libraries' gradients err by some 1e-11 eV/Å^2
_CUTOFFS = ("disp2", "disp3", "cn", "width2", "width3")
_DAMPING = {
    "bj": "RationalDampingParam",
    "zero": "ZeroDampingParam",
    "mbj": "ModifiedRationalDampingParam",
    "mzero": "ModifiedZeroDampingParam",
    "op": "OptimizedPowerDampingParam",
}


class DFTD3(nn.Module):
    """D3 dispersion energy; a structure's is shared equally among its atoms. Needs no edges (`r_max` 0).

    Args:
        functional: whose published parameters are taken, such as "pbe"; None with `parameters`.
        damping: "bj" (rational), "zero", their revisions "mbj" and "mzero", or "op".
        atm: whether three-body energies are added.
        parameters: of the damping instead of a functional's, by the library's names: s6, s8, s9, a1, a2, alp for "bj".
        cutoffs: in Å, by the library's names: disp2 (pairs, 60 Bohr unless given), disp3 and cn (40), and the widths of
            their smooth ends width2, width3 (0: sums end abruptly, below 1e-7 eV/atom at these distances).
    """

    elements = tuple(range(1, 104))
    r_max = 0.0

    def __init__(
        self,
        functional: str | None = None,
        *,
        damping: str = "bj",
        atm: bool = False,
        parameters: Mapping[str, float | int] | None = None,
        cutoffs: Mapping[str, float | int] | None = None,
    ) -> None:
        super().__init__()
        if damping not in _DAMPING:
            raise DomainError(f"damping={damping!r} is unknown; choose one of {', '.join(_DAMPING)}")
        self.arguments = _arguments(functional, parameters, cutoffs) | {"damping": damping, "atm": atm}
        self._damping_parameters()  # a name that the library does not know is an error here and not later

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV."""
        return _atomic_energies(atoms, self._gradients)

    def _gradients(self, numbers: np.ndarray, x: np.ndarray, cell: np.ndarray, pbc: np.ndarray, _: float) -> _Found:
        model = _d3().DispersionModel(numbers, x / BOHR, cell / BOHR, pbc)
        return _ask(model, self._damping_parameters(), self.arguments["cutoffs"], 40.0)

    def _damping_parameters(self) -> Any:
        kind = getattr(_d3(), _DAMPING[self.arguments["damping"]])
        return _loaded(kind, self.arguments, f"DFTD3 with {self.arguments['damping']} damping")


class DFTD4(nn.Module):
    """D4 dispersion energy, whose coefficients follow atomic charges; shared equally among a structure's atoms.

    The total charge of a structure is the batch's. Needs no edges (`r_max` 0).

    Args:
        functional: whose published parameters are taken, such as "pbe"; None with `parameters`.
        atm: whether three-body energies are added, as D4 does by default.
        model: "d4" or "d4s", its smooth revision.
        parameters: of the damping instead of a functional's: s6, s8, s9, a1, a2, alp.
        cutoffs: in Å; disp2, disp3, cn, width2, width3 as in `DFTD3`, with 30 Bohr for cn unless given.
    """

    elements = tuple(range(1, 104))
    r_max = 0.0

    def __init__(
        self,
        functional: str | None = None,
        *,
        atm: bool = True,
        model: str = "d4",
        parameters: Mapping[str, float | int] | None = None,
        cutoffs: Mapping[str, float | int] | None = None,
    ) -> None:
        super().__init__()
        if model not in ("d4", "d4s"):
            raise DomainError(f"model={model!r} is unknown; choose d4 or d4s")
        self.arguments = _arguments(functional, parameters, cutoffs) | {"atm": atm, "model": model}
        self._damping_parameters()

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV."""
        return _atomic_energies(atoms, self._gradients)

    def _gradients(self, numbers: np.ndarray, x: np.ndarray, cell: np.ndarray, pbc: np.ndarray, q: float) -> _Found:
        if pbc.any() and not pbc.all():
            raise DomainError(
                f"D4 of a structure periodic in {pbc.sum()} of 3 directions: its charges would be those of a crystal; "
                "give enough vacuum and make it periodic in all directions, or use DFTD3"
            )
        model = _d4().DispersionModel(numbers, x / BOHR, q, cell / BOHR, pbc, model=self.arguments["model"])
        return _ask(model, self._damping_parameters(), self.arguments["cutoffs"], 30.0)

    def _damping_parameters(self) -> Any:
        return _loaded(_d4().DampingParam, self.arguments, "DFTD4")


_Found = tuple[float, np.ndarray, np.ndarray]  # energy eV, dE/dx eV/Å (atoms, 3), dE/dcell eV/Å (3, 3)
_Library = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], _Found]


class _Energy(torch.autograd.Function):
    """Positions and cell of one structure -> its energy; the library gives the derivatives with it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cell: Tensor, library: Callable[[Tensor, Tensor], Any]) -> Tensor:
        energy, by_x, by_cell = library(x, cell)
        ctx.save_for_backward(x, cell, by_x, by_cell)
        ctx.library = library
        return energy

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, cell, by_x, by_cell = ctx.saved_tensors
        by_x, by_cell = _Gradient.apply(x, cell, by_x, by_cell, ctx.library)
        return grad * by_x, grad * by_cell, None


class _Gradient(torch.autograd.Function):
    """The gradient once more, as a function whose own derivative along a direction is a difference of gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cell: Tensor, by_x: Tensor, by_cell: Tensor, library: Any) -> Any:
        ctx.save_for_backward(x, cell)
        ctx.library = library
        return by_x.clone(), by_cell.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, along_x: Tensor, along_cell: Tensor) -> tuple[Tensor | None, ...]:
        x, cell = ctx.saved_tensors
        length = torch.maximum(along_x.abs().max(), along_cell.abs().max()).item()
        if length == 0:
            return torch.zeros_like(x), torch.zeros_like(cell), None, None, None
        h, x, cell = _STEP / length, x.double(), cell.double()
        at = {k: ctx.library(x + k * h * along_x, cell + k * h * along_cell)[1:] for k in (-2, -1, 1, 2)}
        both = [(8 * (at[1][i] - at[-1][i]) - (at[2][i] - at[-2][i])) / (12 * h) for i in (0, 1)]
        return both[0].to(along_x.dtype), both[1].to(along_cell.dtype), None, None, None


def _atomic_energies(atoms: AtomsBatch, library: _Library) -> Tensor:
    counts = torch.bincount(atoms.structure, minlength=atoms.n_structures).tolist()
    parts = zip(atoms.numbers.split(counts), atoms.positions.split(counts), strict=True)
    energies = []
    for k, (numbers, x) in enumerate(parts):
        call = _on_tensors(library, numbers, atoms.pbc[k], float(atoms.charge[k]))
        energies.append((_Energy.apply(x, atoms.cell[k], call) / len(x)).expand(len(x)))
    return torch.cat(energies)


def _on_tensors(library: _Library, numbers: Tensor, pbc: Tensor, charge: float) -> Callable[[Tensor, Tensor], Any]:
    z, periodic = numbers.cpu().numpy(), pbc.cpu().numpy()

    def call(x: Tensor, cell: Tensor) -> list[Tensor]:
        own = cell.detach().double()
        empty = float(torch.linalg.det(own).abs()) < 1e-9  # vectors of open directions may be missing
        full = (complete_cell(own[None], pbc[None])[0] if empty else own).cpu().numpy()
        energy, by_x, virial = library(z, x.detach().double().cpu().numpy(), full, periodic, charge)
        # the virial is of positions and cell strained together: x^T dE/dx + cell^T dE/dcell
        by_cell = np.linalg.solve(full.T, virial - x.detach().double().cpu().numpy().T @ by_x) * periodic[:, None]
        return [torch.as_tensor(v, dtype=x.dtype, device=x.device) for v in (energy, by_x, by_cell)]

    return call


def _ask(model: Any, parameters: Any, cutoffs: Mapping[str, float] | None, cn: float) -> _Found:
    if cutoffs:
        default = {"disp2": 60.0, "disp3": 40.0, "cn": cn, "width2": 0.0, "width3": 0.0}
        model.set_realspace_cutoff(**(default | {name: length / BOHR for name, length in cutoffs.items()}))
    found = model.get_dispersion(param=parameters, grad=True)
    return float(found["energy"]) * HARTREE, found["gradient"] * (HARTREE / BOHR), found["virial"] * HARTREE


def _arguments(
    functional: str | None, parameters: Mapping[str, float | int] | None, cutoffs: Mapping[str, float | int] | None
) -> dict[str, Any]:
    if (functional is None) == (parameters is None):
        raise DomainError(
            f'functional={functional!r} and parameters={parameters!r}: give one of them, such as DFTD3("pbe") or '
            'parameters={"s8": 0.7875, "a1": 0.4289, "a2": 4.4407}'
        )
    unknown = [name for name in cutoffs or {} if name not in _CUTOFFS]
    if unknown:
        raise DomainError(f"cutoffs={dict(cutoffs or {})} has {unknown[0]!r}; the names are {', '.join(_CUTOFFS)}")
    return {
        "functional": functional,
        "parameters": None if parameters is None else dict(parameters),
        "cutoffs": None if cutoffs is None else dict(cutoffs),
    }


def _loaded(kind: Any, arguments: Mapping[str, Any], name: str) -> Any:
    """The library's parameter object, made when needed, since it can be neither copied nor pickled."""
    try:
        if arguments["parameters"] is not None:
            return kind(**{"s9": float(arguments["atm"]), **arguments["parameters"]})
        return kind(method=arguments["functional"], atm=arguments["atm"])
    except (RuntimeError, TypeError) as error:
        given = arguments["functional"] or arguments["parameters"]
        raise DomainError(
            f"{name} knows no parameters for {given!r} ({error}); give a functional it was fitted for, such as "
            "'pbe', 'b3lyp' or 'r2scan', or all of parameters= yourself"
        ) from error


def _d3() -> Any:
    try:
        from dftd3 import interface
    except ImportError as error:
        raise MissingExtra("dftd3", "dispersion") from error
    return interface


def _d4() -> Any:
    try:
        from dftd4 import interface
    except ImportError as error:
        raise MissingExtra("dftd4", "dispersion") from error
    return interface
