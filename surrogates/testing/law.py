"""What a law's measurement looks like, and how strict it is with exact and with convergence-limited calculators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

Verdict = Literal["pass", "FAIL", "no power", "not applicable"]


@dataclass(frozen=True)
class Law:
    """One law, measured.

    Args:
        name: such as "rotation: energy".
        error: largest violation found, in `unit`.
        scale: how large the quantity itself is, in `unit`; an error says nothing without it.
        tolerance: what was allowed, in `unit`.
        verdict: "no power" where the scale is below ten tolerances: a law that zero would obey proves nothing.
        note: why a law does not apply, or what was compared.
    """

    name: str
    error: float
    scale: float
    tolerance: float
    unit: str
    verdict: Verdict
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the law was put to a test with power and held."""
        return self.verdict == "pass"


@dataclass(frozen=True)
class Tolerance:
    """What the laws allow. The defaults are for float64.

    Args:
        invariance: relative to the scale of energy changes or of forces.
        extensivity: likewise, for supercells and far parts.
        force: eV/Å, analytic against central differences. stress: eV/Å^3, likewise.
        jump: largest step of force (eV/Å) and energy (eV) at the cutoff.
        drift: eV/atom/ps of total energy in NVE dynamics.
        step, strain: of central differences: Å for forces, relative for stress.
        round_off: relative to the sum of |atomic energies|, and to the largest force, added to every tolerance.
    """

    invariance: float = 1e-10
    extensivity: float = 1e-9
    force: float = 1e-5
    stress: float = 1e-6
    jump: float = 1e-8
    drift: float = 1e-3
    step: float = 1e-4
    strain: float = 2e-5
    round_off: float = 32 * torch.finfo(torch.float64).eps


EXACT = Tolerance()
SINGLE = Tolerance(  # float32: positions of 10 Å are known to 1e-6 Å
    invariance=1e-4,
    extensivity=1e-4,
    force=2e-2,
    stress=1e-3,
    jump=1e-3,
    step=1e-2,
    strain=3e-3,
    round_off=32 * torch.finfo(torch.float32).eps,
)
CONVERGED = Tolerance(  # somebody's iterative calculator: energies to about 1e-6 eV
    invariance=1e-4, extensivity=1e-4, force=5e-3, stress=1e-4, jump=1e-4, step=2e-3, strain=1e-3, round_off=1e-9
)


def judge(name: str, error: float, scale: float, tolerance: float, unit: str, note: str = "") -> Law:
    """A Law with its verdict: NaN fails, a scale below ten tolerances has no power unless the error already fails."""
    if math.isnan(error) or error > tolerance:
        verdict: Verdict = "FAIL"
    elif not scale > 10 * tolerance:
        verdict = "no power"
    else:
        verdict = "pass"
    return Law(name, error, scale, tolerance, unit, verdict, note)


def not_applicable(name: str, unit: str, why: str) -> Law:
    """A law that cannot be asked of this surrogate or these structures."""
    return Law(name, math.nan, math.nan, math.nan, unit, "not applicable", why)
