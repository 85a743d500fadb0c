"""Two-site DMRG in one sector of a conserved charge (arXiv:1008.4774): every matrix in blocks, one for a charge.

The sweeps are those of `dmrg`; a pair of sites is one flat vector of blocks, so that Lanczos' method sees no blocks.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks.blocks import Channels
from surrogates.physics.tensor_networks.charged_blocks import (
    ChargedBlock,
    ChargedHalf,
    Entries,
    charged_block,
    charged_half,
)
from surrogates.physics.tensor_networks.charges import (
    Blocks,
    ChargedMPO,
    Fused,
    columns_to_rows,
    rows_to_columns,
)
from surrogates.physics.tensor_networks.lanczos import lowest
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.truncate import kept

_RANK = 1e-12  # of the largest singular value of a start's block


Gate = dict[tuple[int, int], list[tuple[int, int, float | complex]]]
"""(out, out) -> (in, in, value) of two sites."""


class Pair:
    """Layout of two sites' blocks, one for each charge between them, in one flat vector."""

    def __init__(self, rows: Fused, columns: Fused) -> None:
        self.sectors: dict[int, tuple[int, int, int]] = {}
        self.size = 0
        for q in sorted(rows.sizes.keys() & columns.sizes.keys()):
            m, n = rows.sizes[q], columns.sizes[q]
            self.sectors[q] = (self.size, m, n)
            self.size += m * n
        self.rows, self.columns = rows, columns
        self.tables: list[tuple[Tensor, Tensor]] | None = None

    def fits(self, rows: Fused, columns: Fused) -> bool:
        """Whether these have the same layout."""
        return self.rows.place == rows.place and self.columns.place == columns.place

    def blocks(self, flat: Tensor) -> Blocks:
        """Views, charge by charge."""
        return {q: flat[at : at + m * n].view(m, n) for q, (at, m, n) in self.sectors.items()}

    def gather(self, gate: Gate, like: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The gate as (index, factor): H theta = sum factor * theta[index]."""
        d = 1 + max(p for _, p in self.rows.place)
        depth = max((len(sources) for sources in gate.values()), default=0)
        into = np.zeros((depth, 2, d, d), dtype=np.int64)
        value = np.zeros((depth, d, d), dtype=complex if like.is_complex() else float)
        for (p, s), sources in gate.items():
            for k, (p_in, s_in, number) in enumerate(sources):
                into[k, :, p, s], value[k, p, s] = (p_in, s_in), number
        index = np.zeros((depth, self.size), dtype=np.int64)
        factor = np.zeros((depth, self.size), dtype=value.dtype)
        for q, (at, m, n) in self.sectors.items():
            states, rows = self._sources(self.rows, q, d, row=True)
            others, columns = self._sources(self.columns, q, d, row=False)
            for k in range(depth):
                pair = states[:, None], others[None]
                row = rows[into[k, 0][pair], np.arange(m)[:, None]]
                column = columns[into[k, 1][pair], np.arange(n)[None]]
                there = (row >= 0) & (column >= 0) & (value[k][pair] != 0)
                index[k, at : at + m * n] = np.where(there, row + column, 0).ravel()
                factor[k, at : at + m * n] = np.where(there, value[k][pair], 0).ravel()
        return [
            (torch.from_numpy(i).to(like.device), torch.from_numpy(f).to(like))
            for i, f in zip(index, factor, strict=True)
        ]

    def _sources(self, fused: Fused, q: int, d: int, *, row: bool) -> tuple[np.ndarray, np.ndarray]:
        """The site's state of each row (column) of a sector, and where the row with another state begins, or -1."""
        states = np.concatenate([np.full(x.size, x.p) for x in fused.parts[q]])
        found = np.full((d, len(states)), -1, dtype=np.int64)
        for x in fused.parts[q]:
            for p in range(d):
                to, start, size = fused.place.get((x.bond, p), (None, 0, 0))
                if to in self.sectors:
                    offset, _, n = self.sectors[to]
                    numbers = start + np.arange(size)
                    found[p, x.start : x.start + x.size] = offset + n * numbers if row else numbers
        return states, found


class ChargedTwoSite:
    """H on a pair's flat vector; as `effective.TwoSite`. The pair keeps the gate's tables, which do not change."""

    def __init__(self, left: ChargedHalf, right: ChargedHalf, gains: tuple[int, ...], pair: Pair, like: Tensor) -> None:
        self.pair, self.a, self.b = pair, dict[int, Tensor](), dict[int, Tensor]()
        self.mixed: list[tuple[Blocks, Blocks, int]] = []
        gate: Gate = {}
        for c, gain in enumerate(gains):
            whole_left, whole_right = c == left.identity, c == right.identity
            if c in left.dense and whole_right:
                _add(self.a, left.dense[c])
            elif c in right.dense and whole_left:
                _add(self.b, right.dense[c])
            elif c in left.dense or c in right.dense:
                x, y = _dense(left, c, like), _dense(right, c, like)
                if x and y:
                    self.mixed.append((x, y, gain))
            elif pair.tables is None:
                for out, into, value in _entries(left, c):
                    for out2, into2, value2 in _entries(right, c):
                        row = gate.setdefault((out, out2), [])
                        same = [k for k, (p, s, _) in enumerate(row) if (p, s) == (into, into2)]
                        if same:
                            row[same[0]] = (into, into2, row[same[0]][2] + value * value2)
                        else:
                            row.append((into, into2, value * value2))
        if pair.tables is None:
            pair.tables = pair.gather(gate, like)
        self.tables = pair.tables

    def __call__(self, theta: Tensor) -> Tensor:
        """The same shape as theta."""
        if self.tables:
            found = theta[self.tables[0][0]] * self.tables[0][1]
            for index, factor in self.tables[1:]:
                found.addcmul_(theta[index], factor)
        else:
            found = torch.zeros_like(theta)
        into, out = self.pair.blocks(theta), self.pair.blocks(found)
        for q, m in into.items():
            if q in self.a:
                out[q].addmm_(self.a[q], m)
            if q in self.b:
                out[q].addmm_(m, self.b[q])
        for x, y, gain in self.mixed:
            for q, m in into.items():
                if q in x and q in y and q + gain in out:
                    out[q + gain].addmm_(x[q], m @ y[q])
        return found


class ChargedSearch:
    """A state by charges that changes in place, centred on an end between two sweeps.

    `tensors` left of the centre, and on the first site, are ((left, p), right), the others (left, (p, right)).
    """

    alpha = 0.0  # there is no subspace expansion here

    def __init__(self, operator: ChargedMPO, start: MPS, cutoff: float, seed: int) -> None:
        kind = torch.promote_types(operator.operator.dtype, start.dtype)
        self.site_charges, self.center, self.cutoff = operator.site, len(start) - 1, cutoff
        self.gains, self.like = operator.channels, start.tensors[0].to(kind)
        self.sites = [Channels(w.to(self.like)) for w in operator.operator.tensors]
        self.tensors, self.bonds = _by_charge([t.to(kind) for t in start.canonical(0).tensors], operator.site)
        self.tol = 1e-3
        self.generator = torch.Generator().manual_seed(seed)
        count = len(start)
        self.left = [ChargedBlock(self.bonds[0], 0, {})] * (count + 1)
        self.right = [ChargedBlock(self.bonds[-1], 0, {})] * (count + 1)
        self._pairs: dict[int, Pair] = {}
        self._halves: dict[tuple[int, int], tuple[ChargedBlock, ChargedHalf]] = {}
        for n in range(count - 1):
            self.left[n + 1] = charged_block(self._half(n, 1), self.tensors[n], self.gains[n + 1])

    def widest(self) -> int:
        """The largest bond."""
        return max(sum(bond.values()) for bond in self.bonds)

    def two_sites(self, chi: int, noise: float) -> tuple[float, float]:
        """From the end where the centre is to the other; the last energy and the largest discarded weight."""
        count, energy, lost = len(self.tensors), 0.0, 0.0
        right = self.center == 0
        for n in range(count - 1) if right else range(count - 2, -1, -1):
            left_half, right_half = self._half(n, 1), self._half(n + 1, -1)
            pair = self._pairs.get(n)
            if pair is None or not pair.fits(left_half.fused, right_half.fused):
                pair = self._pairs[n] = Pair(left_half.fused, right_half.fused)
            theta = self._theta(n, pair, right=right)
            found = lowest(
                ChargedTwoSite(left_half, right_half, self.gains[n + 1], pair, self.like), theta, steps=4, tol=self.tol
            )
            energy, theta = found.value, found.vector
            if noise:
                random = torch.randn(theta.shape, generator=self.generator, dtype=torch.float64).to(theta)
                theta = theta + math.sqrt(noise) * random / torch.linalg.vector_norm(random)
            isometry, rest, weight = _split(pair.blocks(theta), chi, self.cutoff, right=right)
            lost = max(lost, weight)
            self._put(n, isometry, rest, (left_half, right_half), right=right)
        self.center = count - 1 if right else 0
        return energy, lost

    def energy_and_variance(self) -> tuple[float, float] | None:
        """As `measure.energy_and_variance` for neighbours' models, block by block; None for others.

        The centre goes to the other end on the way.
        """
        count, energy, total = len(self.tensors), 0.0, 0.0
        right = self.center == 0
        path = list(range(count - 1) if right else range(count - 2, -1, -1))
        for n in path:
            halves = self._half(n, 1), self._half(n + 1, -1)
            pair = Pair(halves[0].fused, halves[1].fused)
            apply = ChargedTwoSite(*halves, self.gains[n + 1], pair, self.like)
            if apply.mixed:
                return None
            a, b = self._laid_out(n, pair, right=right)
            both = a.keys() & b.keys()
            cut = {q: torch.linalg.qr(a[q] if right else b[q].mH) for q in both}
            taken = {q: r @ b[q] if right else a[q] @ r.mH for q, (_, r) in cut.items()}
            theta = torch.zeros(pair.size, dtype=self.like.dtype, device=self.like.device)
            for q, m in pair.blocks(theta).items():
                if q in both:
                    m.copy_(cut[q][0] @ taken[q] if right else taken[q] @ cut[q][0].mH)
            moved = apply(theta)
            if n == path[0]:
                energy = torch.vdot(theta, moved).real.item()
            for q, m in pair.blocks(moved).items():
                if q in both:
                    u = cut[q][0]
                    inside = u.mH @ m if right else m @ u
                    m = m - (u @ inside if right else inside @ u.mH)
                    if n == path[-1]:
                        total += torch.linalg.vector_norm(inside - energy * taken[q]).item() ** 2
                total += torch.linalg.vector_norm(m).item() ** 2
            isometry = {q: u if right else u.mH for q, (u, _) in cut.items()}
            self._put(n, isometry, taken, halves, right=right)
        self.center = count - 1 if right else 0
        return energy, total

    def _put(
        self, n: int, isometry: Blocks, rest: Blocks, halves: tuple[ChargedHalf, ChargedHalf], *, right: bool
    ) -> None:
        """New tensors on sites n and n + 1, the centre on the second on the way to the right."""
        self.bonds[n + 1] = {q: (m.shape[1] if right else m.shape[0]) for q, m in isometry.items()}
        self.tensors[n], self.tensors[n + 1] = (isometry, rest) if right else (rest, isometry)
        if right:
            self.left[n + 1] = charged_block(halves[0], isometry, self.gains[n + 1])
        else:
            self.right[n + 1] = charged_block(halves[1], isometry, self.gains[n + 1])

    def _laid_out(self, n: int, pair: Pair, *, right: bool) -> tuple[Blocks, Blocks]:
        """The tensors of sites n and n + 1 by rows and by columns; the one with the centre is laid out anew."""
        a, b = self.tensors[n], self.tensors[n + 1]
        if right and n:
            a = columns_to_rows(a, pair.rows, Fused(self.bonds[n + 1], self.site_charges, -1))
        elif not right and n + 2 < len(self.tensors):
            b = rows_to_columns(b, Fused(self.bonds[n + 1], self.site_charges, 1), pair.columns)
        return a, b

    def _theta(self, n: int, pair: Pair, *, right: bool) -> Tensor:
        """The tensors of sites n and n + 1 as one vector."""
        a, b = self._laid_out(n, pair, right=right)
        theta = torch.zeros(pair.size, dtype=self.like.dtype, device=self.like.device)
        for q, m in pair.blocks(theta).items():
            if q in a and q in b:
                torch.mm(a[q], b[q], out=m)
        return theta / torch.linalg.vector_norm(theta)

    def _half(self, n: int, sign: int) -> ChargedHalf:
        """left[n] and site n, or site n and right[n + 1]; kept until the block changes."""
        block = self.left[n] if sign > 0 else self.right[n + 1]
        known = self._halves.get((n, sign))
        if known is None or known[0] is not block:
            fused = Fused(block.bond, self.site_charges, sign)
            gains = self.gains[n] if sign > 0 else self.gains[n + 1]
            known = (block, charged_half(block, self.sites[n], fused, gains, self.like))
            self._halves[n, sign] = known
        return known[1]

    def state(self, like: MPS) -> MPS:
        """With all its zeros."""
        tensors = []
        for n, t in enumerate(self.tensors):
            left, right = self.bonds[n], self.bonds[n + 1]
            dense = torch.zeros(sum(left.values()), len(self.site_charges), sum(right.values())).to(self.like)
            rows = n == 0 if self.center == 0 else n < self.center
            at, to = _starts(left), _starts(right)
            fused = Fused(left, self.site_charges, 1) if rows else Fused(right, self.site_charges, -1)
            for q, m in t.items():
                for x in fused.parts[q]:
                    piece = m[x.start : x.start + x.size] if rows else m[:, x.start : x.start + x.size]
                    l, r = (x.bond, q) if rows else (q, x.bond)
                    dense[at[l] : at[l] + left[l], x.p, to[r] : to[r] + right[r]] = piece
            tensors.append(dense)
        return MPS(tuple(tensors), self.center, site=like.site)


def _starts(bond: dict[int, int]) -> dict[int, int]:
    found, at = {}, 0
    for q in sorted(bond):
        found[q] = at
        at += bond[q]
    return found


def _by_charge(tensors: list[Tensor], site: tuple[int, ...]) -> tuple[list[Blocks], list[dict[int, int]]]:
    """Tensors of a state centred on site 0 as blocks ((left, p), right), the centre on the last site, and the bonds."""
    carried = {0: tensors[0].new_ones(1, 1)}
    found: list[Blocks] = []
    bonds: list[dict[int, int]] = [{0: 1}]
    for n, t in enumerate(tensors):
        fused = Fused(bonds[-1], site, 1)
        blocks: Blocks = {}
        for q, parts in fused.parts.items():
            blocks[q] = torch.cat([carried[x.bond] @ t[:, x.p] for x in parts])
        largest = max(float(torch.linalg.matrix_norm(m, 2)) for m in blocks.values())
        here: Blocks = {}
        carried = {}
        for q, m in blocks.items():
            u, s, v = torch.linalg.svd(m, full_matrices=False)
            k = int((s > _RANK * largest).sum())
            if k:
                here[q], carried[q] = u[:, :k], s[:k, None].to(v) * v[:k]
        if n == len(tensors) - 1:
            if len(here) != 1:
                raise DomainError(
                    f"the start has parts of {len(here)} charges; give one of a single one, such as Neel's"
                )
            columns = Fused({q: 1 for q in here}, site, -1)
            here = rows_to_columns({q: u * carried[q] for q, u in here.items()}, fused, columns)
            bonds.append({q: 1 for q in carried})
            return [*found, here], bonds
        found.append(here)
        bonds.append({q: m.shape[1] for q, m in here.items()})
    raise AssertionError("a chain has a last site")


def _split(blocks: Blocks, chi: int, cutoff: float, *, right: bool) -> tuple[Blocks, Blocks, float]:
    """(isometries, what is taken on, normalised, discarded weight), charges together cut to chi values."""
    spectra, vectors, charges = [], {}, []
    for q, m in blocks.items():
        a = m if right else m.mH
        squares, found = torch.linalg.eigh(a @ a.mH)
        count = min(a.shape)
        spectra.append(squares[-count:])
        vectors[q] = found
        charges += [q] * count
    values = torch.cat(spectra).clamp(min=0).sqrt()
    order = torch.argsort(values, descending=True)
    k = kept(values[order], chi, cutoff)
    counts: dict[int, int] = {}
    for which in order[:k].tolist():
        counts[charges[which]] = counts.get(charges[which], 0) + 1
    isometry, rest = {}, {}
    for q, count in counts.items():
        u = vectors[q][:, -count:]
        isometry[q] = u if right else u.mH
        rest[q] = u.mH @ blocks[q] if right else blocks[q] @ u
    squares = values[order] ** 2
    size, lost = float(squares[:k].sum()) ** 0.5, float(squares[k:].sum() / squares.sum())
    return isometry, {q: m / size for q, m in rest.items()}, lost


def _add(total: Blocks, new: Blocks) -> None:
    for q, m in new.items():
        total[q] = total[q] + m if q in total else m


def _entries(half: ChargedHalf, c: int) -> Entries:
    if c == half.identity:
        states = sorted({x.p for parts in half.fused.parts.values() for x in parts})
        return [(p, p, 1.0) for p in states]
    return half.local.get(c, [])


def _dense(half: ChargedHalf, c: int, like: Tensor) -> Blocks:
    """A channel as matrices, the local ones laid out."""
    if c in half.dense:
        return half.dense[c]
    found: Blocks = {}
    fused = half.fused
    for out, into, value in _entries(half, c):
        for (bond, p), (q, start, size) in fused.place.items():
            if p != into:
                continue
            to, begin, _ = fused.place[bond, out]
            if q not in found:
                shape = (fused.sizes[q], fused.sizes[to]) if fused.sign < 0 else (fused.sizes[to], fused.sizes[q])
                found[q] = torch.zeros(shape, dtype=like.dtype, device=like.device)
            row, column = (start, begin) if fused.sign < 0 else (begin, start)
            found[q][row : row + size, column : column + size].diagonal().add_(value)
    return found
