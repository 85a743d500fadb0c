"""Rigid motions: a mesh turned and shifted to lie as the common mesh does, and its fields turned with it and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes.morphing.register import Morphing
from surrogates.physics.errors import DomainError

Array = np.ndarray
_ROUNDS = 200
_STILL = 1e-13
_VOIGT = {2: ((0, 0), (1, 1), (0, 1)), 3: ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))}


@dataclass(frozen=True, eq=False)
class Turned:
    """`sample` has the points `turn` x + shift; vectors v become `turn` v, tensors T `turn` T `turn`^T."""

    sample: MeshSample
    turn: Array
    moved: bool

    @classmethod
    def identity(cls, sample: MeshSample) -> Turned:
        """The mesh as it lies."""
        return cls(sample, np.eye(sample.dim), False)

    def forward(self, field: Array, kind: str) -> Array:
        """A field of the mesh as it lay, turned with it; kind "vector", "tensor" or "" for what does not turn."""
        return self._turned(field, kind, self.turn)

    def back(self, field: Array, kind: str) -> Array:
        """The other way."""
        return self._turned(field, kind, self.turn.T)

    def back_std(self, std: Array, kind: str) -> Array:
        """Standard deviations of turned components, those before taken as independent."""
        if not self.moved or not kind:
            return std
        matrix = self.turn.T if kind == "vector" else _on_voigt(self.turn.T)
        found: Array = np.sqrt(np.square(std) @ np.square(matrix).T)
        return found

    def _turned(self, field: Array, kind: str, turn: Array) -> Array:
        if not self.moved or not kind:
            return field
        matrix = turn if kind == "vector" else _on_voigt(turn)
        if field.shape[-1] != len(matrix):
            raise DomainError(
                f"a {kind} has {len(matrix)} components in {len(turn)} dimensions; this has {field.shape[1:]}"
            )
        found: Array = field @ matrix.T
        return found


def align(sample: MeshSample, morphing: Morphing) -> Turned:
    """The mesh laid on the common one by the motion that brings corresponding boundary points closest.

    The motion does not depend on how the mesh lay, as long as tags or principal axes tell its ends apart. Raises
    DomainError where no turn lets the boundaries correspond.
    """
    steady = morphing.controls.steady
    used = steady if steady.any() else np.ones(len(steady), dtype=bool)
    goal = morphing.common.points[morphing.controls.nodes][used]

    def sample_controls(turn: Array, shift: Array) -> Array:
        there = replace(sample, points=sample.points @ turn.T + shift)
        return morphing.controls_of(there)[used]

    best: tuple[float, Array, Array] | None = None
    problem: DomainError | None = None
    for start in _starts(sample.points, goal):
        turn, shift = start
        try:
            for _ in range(_ROUNDS):
                more, step = _closest(sample_controls(turn, shift), goal)
                turn, shift = more @ turn, more @ shift + step
                if np.abs(more - np.eye(len(more))).max() < _STILL:
                    break
        except DomainError as error:
            problem = error
            continue
        gap = float(np.square(sample_controls(turn, shift) - goal).sum())
        if best is None or gap < best[0] * (1 - 1e-6):
            best = (gap, turn, shift)
    if best is None:
        raise DomainError(f"no rigid motion lays this mesh on the common one: {problem}") from problem
    return Turned(replace(sample, points=sample.points @ best[1].T + best[2]), best[1], True)


def _closest(points: Array, goal: Array) -> tuple[Array, Array]:
    """Rotation and shift (Kabsch) that bring points closest to their goals."""
    a, b = points - points.mean(0), goal - goal.mean(0)
    u, _, vt = np.linalg.svd(b.T @ a)
    signs = np.ones(len(u))
    signs[-1] = np.sign(np.linalg.det(u @ vt))
    turn = (u * signs) @ vt
    return turn, goal.mean(0) - turn @ points.mean(0)


def _starts(points: Array, goal: Array) -> list[tuple[Array, Array]]:
    """Motions that lay principal axes on principal axes, all proper sign choices."""
    frames = []
    for cloud in (points, goal):
        away = cloud - cloud.mean(0)
        axes = np.linalg.eigh(away.T @ away)[1]
        frames.append((axes * np.array([*[1.0] * (len(axes) - 1), np.sign(np.linalg.det(axes))]), cloud.mean(0)))
    (mine, center), (other, target) = frames
    d = len(mine)
    found = []
    for bits in range(2**d):
        signs = np.array([1.0 if bits >> k & 1 == 0 else -1.0 for k in range(d)])
        if signs.prod() > 0:
            turn = (other * signs) @ mine.T
            found.append((turn, target - turn @ center))
    return found


def _on_voigt(turn: Array) -> Array:
    """The matrix that turns (xx, yy, xy) or (xx, yy, zz, yz, xz, xy) of a symmetric tensor."""
    pairs = _VOIGT[len(turn)]
    rows = []
    for i, j in pairs:
        rows.append([turn[i, k] * turn[j, m] + (turn[i, m] * turn[j, k] if k != m else 0.0) for k, m in pairs])
    return np.array(rows)
