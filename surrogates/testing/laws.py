"""The laws of a potential energy surface, each stated once, for anything that predicts energies and forces.

Every law is a function (thing, structures, tolerance) -> list of `Law`, one for each quantity that it binds. `thing` is
a Potential, a Surrogate, an ASE calculator or a Probe; `structures` is an AtomsBatch or several; nothing is random but
for the seeds written here. Structures at rest have no forces: displace them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.testing.law import EXACT, Law, Tolerance, judge, not_applicable
from surrogates.testing.probe import Answer, Probe, probe
from surrogates.testing.transforms import (
    cluster,
    images,
    moved,
    relabelled,
    repeated,
    side_by_side,
    singles,
    turned,
    volume,
)

Batches: TypeAlias = AtomsBatch | Sequence[AtomsBatch]
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def each(structures: Batches) -> list[AtomsBatch]:
    """The structures one by one, without edges."""
    batches = [structures] if isinstance(structures, AtomsBatch) else structures
    return [s for batch in batches for s in singles(batch)]


def rotation(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """E(Rx) = E(x), F(Rx) = R F(x), sigma(Rx) = R sigma(x) R^T for a random proper rotation."""
    return _orthogonal("rotation", _random_rotation(), thing, structures, tolerance)


def reflection(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """The same for a random improper rotation: mirror images have one energy."""
    return _orthogonal("reflection", -_random_rotation(), thing, structures, tolerance)


def translation(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """E and F stay when everything is moved and periodic atoms are replaced by images of themselves."""
    step = torch.tensor([1.3, -2.7, 0.9], dtype=torch.float64)
    pairs = [(s, images(moved(s, step.to(s.positions))), lambda f: f) for s in each(structures)]
    return _same("translation", probe(thing), pairs, tolerance)


def permutation(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """E stays and F follows when the atoms are listed in another order."""
    pairs = []
    for s in each(structures):
        order = torch.randperm(s.numbers.shape[0], generator=_seeded())
        pairs.append((s, relabelled(s, order), lambda f, order=order: f[order]))
    return _same("permutation", probe(thing), pairs, tolerance)


def batching(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """A batch of N structures gets the answers of N batches of one."""
    ask, given = probe(thing), each(structures)
    members = [*given, *(_displaced(s, 0.05, seed) for seed, s in enumerate(given))]
    seen = _Seen(tolerance)
    for one, many in zip(map(ask, members), ask.together(members), strict=True):
        seen.compare(one, many, one.forces, many.forces)
    return seen.laws("batch = one by one", _energy_scale(ask, given))


def forces_are_gradients(
    thing: Any, structures: Batches, tolerance: Tolerance = EXACT, *, components: int = 6
) -> list[Law]:
    """F = -dE/dx: forces against central differences of the energy, at `components` coordinates of each structure."""
    ask, h = probe(thing), tolerance.step
    error = scale = floor = 0.0
    for s in each(structures):
        here, n = ask(s), s.positions.numel()
        for flat in torch.randperm(n, generator=_seeded())[:components].tolist():
            step = torch.zeros(n, dtype=s.positions.dtype)
            step[flat] = h
            up, down = (ask(moved(s, sign * step.view(-1, 3))).energy for sign in (1, -1))
            error = _worst(error, here.forces.flatten()[flat].item() + (up - down) / (2 * h))
        scale = max(scale, here.forces.abs().max().item())
        floor = max(floor, tolerance.round_off * here.magnitude / h)
    return [judge("F = -dE/dx", error, scale, tolerance.force + floor, "eV/Å", f"step {h:g} Å")]


def stress_is_strain_derivative(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """stress = (1/V) dE/d(strain), ASE's sign: against central differences over strained cells."""
    ask, h, name = probe(thing), tolerance.strain, "stress = dE/dstrain / V"
    error = scale = floor = 0.0
    periodic = [s for s in each(structures) if volume(s) > 0]
    answers = [ask(s, stress=True) for s in periodic]
    if not periodic or any(a.stress is None for a in answers):
        return [not_applicable(name, "eV/Å^3", "no stress predicted" if periodic else "no structure fills space")]
    for s, here in zip(periodic, answers, strict=True):
        assert here.stress is not None
        for k, (i, j) in enumerate(VOIGT):
            strain = torch.zeros(1, 3, 3, dtype=s.positions.dtype)
            strain[0, i, j] = strain[0, j, i] = h if i == j else h / 2
            up, down = (ask(s.strained(sign * strain)).energy for sign in (1, -1))
            error = _worst(error, here.stress[k].item() - (up - down) / (2 * h * volume(s)))
        scale = max(scale, here.stress.abs().max().item())
        floor = max(floor, tolerance.round_off * here.magnitude / h / volume(s))
    return [judge(name, error, scale, tolerance.stress + floor, "eV/Å^3", f"strain {h:g}")]


def extensivity(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """E(2x2x2 supercell) = 8 E(cell), with the same forces on every copy."""
    ask = probe(thing)
    periodic = [s for s in each(structures) if bool(s.pbc.any())]
    if not periodic:
        return [not_applicable("supercell", "eV", "no periodic structure")]
    seen = _Seen(replace(tolerance, invariance=tolerance.extensivity))
    for s in periodic:
        cell, large = ask(s), ask(repeated(s))
        copies = large.forces.shape[0] // cell.forces.shape[0]
        whole = replace(cell, energy=cell.energy * copies, magnitude=cell.magnitude * copies)
        seen.compare(whole, large, cell.forces.repeat(copies, 1), large.forces)
    return seen.laws("supercell", _energy_scale(ask, periodic), "E(2x2x2) = 8 E(cell)")


def far_parts_add(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """E(A far from B) = E(A) + E(B): a structure and its turned copy in vacuum, further apart than any cutoff."""
    ask, name = probe(thing), "far parts add"
    closed = [s for s in each(structures) if int(s.multiplicity) == 1 and float(s.charge) == 0 and not ask.charged]
    chosen = [cluster(s) for s in closed if not (ask.foreign and bool(s.pbc.any()))]
    if not chosen:
        return [not_applicable(name, "eV", "needs a neutral closed shell; of foreign calculators, a molecule")]
    gap = 1000.0 if ask.foreign else 2 * ask.r_max + 1.0
    seen = _Seen(replace(tolerance, invariance=tolerance.extensivity))
    for a in chosen:
        b = turned(a, _random_rotation().to(a.positions))
        one, two, both = ask(a), ask(b), ask(side_by_side(a, b, gap))
        parts = replace(one, energy=one.energy + two.energy, magnitude=one.magnitude + two.magnitude)
        seen.compare(parts, both, torch.cat([one.forces, two.forces]), both.forces)
    return seen.laws(name, _energy_scale(ask, chosen), f"{gap:g} Å apart")


def smooth_cutoff(thing: Any, structures: Batches, tolerance: Tolerance = EXACT) -> list[Law]:
    """Energy and forces have no step as an atom leaves the cutoff of another.

    The limits from either side are extrapolated from 1 and 2 steps of 1e-6 Å; the scale is what the leaving atom's
    presence does at 0.7 of the cutoff.
    """
    ask, name = probe(thing), "smooth at cutoff"
    if ask.r_max <= 0:
        return [not_applicable(name, "eV/Å", "no cutoff is known")]
    energy = forces = energy_scale = force_scale = floor = 0.0
    delta = 1e-6 if ask.dtype == torch.float64 else 1e-4
    for s in map(cluster, each(structures)):
        near, far = (ask(_with_visitor(s, x * ask.r_max)) for x in (0.7, 1.2))
        inner, edge, outer, beyond = (ask(_with_visitor(s, ask.r_max + k * delta)) for k in (-2, -1, 1, 2))
        jump = (2 * outer.energy - beyond.energy) - (2 * edge.energy - inner.energy)
        jumps = (2 * outer.forces - beyond.forces) - (2 * edge.forces - inner.forces)
        energy, forces = _worst(energy, jump), _worst(forces, jumps)
        energy_scale = max(energy_scale, abs(near.energy - far.energy))
        force_scale = max(force_scale, (near.forces - far.forces).abs().max().item())
        floor = max(floor, tolerance.round_off * max(near.magnitude, near.forces.abs().max().item()))
    return [
        judge(f"{name}: energy", energy, energy_scale, tolerance.jump + floor, "eV"),
        judge(f"{name}: forces", forces, force_scale, tolerance.jump + floor, "eV/Å"),
    ]


def _with_visitor(atoms: AtomsBatch, distance: float) -> AtomsBatch:
    """A cluster and one more atom, `distance` Å from its first atom and further from all others."""
    first = atoms.positions[0]
    outward = first - atoms.positions.mean(0)
    if float(outward.norm()) < 1e-3:
        outward = torch.tensor([0.36, 0.48, 0.8], dtype=first.dtype)
    visitor = first + distance * outward / outward.norm()
    return replace(
        atoms,
        numbers=torch.cat([atoms.numbers, atoms.numbers[:1]]),
        positions=torch.cat([atoms.positions, visitor[None]]),
        structure=torch.cat([atoms.structure, atoms.structure[:1]]),
    )


@dataclass
class _Seen:
    """Worst errors and largest forces over the structures seen so far."""

    tolerance: Tolerance
    energy: float = 0.0
    forces: float = 0.0
    force_scale: float = 0.0
    magnitude: float = 0.0

    def compare(self, one: Answer, other: Answer, expected: Tensor, found: Tensor) -> None:
        self.energy = _worst(self.energy, other.energy - one.energy)
        self.forces = _worst(self.forces, found - expected)
        self.force_scale = max(self.force_scale, expected.abs().max().item())
        self.magnitude = max(self.magnitude, one.magnitude)

    def laws(self, name: str, energy_scale: float, note: str = "") -> list[Law]:
        relative, floor = self.tolerance.invariance, self.tolerance.round_off
        energy = relative * energy_scale + floor * self.magnitude
        forces = relative * self.force_scale + floor * max(self.force_scale, self.magnitude)
        return [
            judge(f"{name}: energy", self.energy, energy_scale, energy, "eV", note),
            judge(f"{name}: forces", self.forces, self.force_scale, forces, "eV/Å", note),
        ]


def _same(
    name: str,
    ask: Probe,
    pairs: Iterable[tuple[AtomsBatch, AtomsBatch, Callable[[Tensor], Tensor]]],
    tolerance: Tolerance,
) -> list[Law]:
    """Energies of (before, after) are equal, and forces after equal `follow(forces before)`."""
    seen, befores = _Seen(tolerance), []
    for before, after, follow in pairs:
        one, other = ask(before), ask(after)
        seen.compare(one, other, follow(one.forces), other.forces)
        befores.append(before)
    return seen.laws(name, _energy_scale(ask, befores))


def _orthogonal(name: str, matrix: Tensor, thing: Any, structures: Batches, tolerance: Tolerance) -> list[Law]:
    ask, given = probe(thing), each(structures)
    pairs = [(s, turned(s, matrix.to(s.positions)), lambda f: f @ matrix.mT) for s in given]
    return _same(name, ask, pairs, tolerance) + _turned_stress(name, matrix, ask, given, tolerance)


def _turned_stress(name: str, matrix: Tensor, ask: Probe, given: list[AtomsBatch], tolerance: Tolerance) -> list[Law]:
    error = scale = floor = 0.0
    for s in given:
        if volume(s) > 0:
            before, after = (ask(x, stress=True) for x in (s, turned(s, matrix.to(s.positions))))
            if before.stress is None or after.stress is None:
                return []
            error = _worst(error, _full(after.stress) - matrix @ _full(before.stress) @ matrix.mT)
            scale = max(scale, before.stress.abs().max().item())
            floor = max(floor, tolerance.round_off * before.magnitude / volume(s))
    if scale == error == 0.0:
        return []
    return [judge(f"{name}: stress", error, scale, tolerance.invariance * scale + floor, "eV/Å^3")]


def _energy_scale(ask: Probe, structures: Sequence[AtomsBatch]) -> float:
    """How far the energy moves when atoms move by 0.1 Å, eV: what an energy error is to be compared with."""
    return max(abs(ask(_displaced(s, 0.1, seed)).energy - ask(s).energy) for s in structures for seed in (11, 12))


def _displaced(atoms: AtomsBatch, size: float, seed: int) -> AtomsBatch:
    noise = torch.randn(atoms.positions.shape, generator=_seeded(seed), dtype=torch.float64)
    return moved(atoms, size * noise.to(atoms.positions))


def _full(stress: Tensor) -> Tensor:
    xx, yy, zz, yz, xz, xy = stress
    return torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz]).view(3, 3)


def _random_rotation() -> Tensor:
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=_seeded(5), dtype=torch.float64))
    q = q * torch.diagonal(r).sign()
    return q * torch.linalg.det(q).sign()


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _worst(so_far: float, error: Tensor | float) -> float:
    """The larger magnitude; NaN wins, so that it cannot hide."""
    value = torch.as_tensor(error, dtype=torch.float64).abs().max().item()
    return value if value != value or value > so_far else so_far
