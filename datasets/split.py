"""Seeded splits of a data set into training, validation, calibration and test parts.

Frames that follow each other in a trajectory are nearly equal: dealt out one by one, the test part would hold the
training part's neighbours. So a trajectory is cut into contiguous blocks, and whole blocks go to the parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surrogates.physics.errors import DomainError

SHORTEST_BLOCK = 10  # frames that the smallest part of a trajectory gets in one piece, where there are enough
METHODS = ("block", "random", "group")


def split_rows(
    strata: Sequence[str], groups: Sequence[str], sizes: Sequence[float | int], *, seed: int, method: str, gap: int
) -> list[np.ndarray]:
    """Ascending row numbers of each part.

    Args:
        strata: one name a row; rows of a stratum are shared out in proportion ("block").
        groups: one name a row; rows of a group stay together ("group").
        sizes: fractions (floats, sum at most 1) or counts (integers).
        method: "block", "random" or "group".
        gap: rows left out on either side of a cut between two blocks of different parts ("block").

    Raises DomainError where the rows do not suffice.
    """
    n = len(strata)
    wanted = _counts(sizes, n)
    totals = [*wanted, n - sum(wanted)]  # the last part is what nobody asked for
    random = np.random.default_rng(seed)
    if method == "block":
        owner = _blocks(strata, totals, random, gap)
    elif method == "random":
        owner = random.permutation(np.repeat(np.arange(len(totals)), totals))
    elif method == "group":
        owner = _whole_groups(groups, totals, random)
    else:
        raise DomainError(f'split method "{method}" is unknown; choose one of {", ".join(METHODS)}')
    parts = [np.flatnonzero(owner == p) for p in range(len(wanted))]
    _refuse_empty(parts, wanted, n, method)
    return parts


def _counts(sizes: Sequence[float | int], n: int) -> list[int]:
    given = ", ".join(str(s) for s in sizes)
    if not sizes or any(not math.isfinite(s) or s <= 0 for s in sizes):
        raise DomainError(f"split({given}): give positive fractions such as 0.8, 0.2 or counts such as 120, 200")
    if all(isinstance(s, int | np.integer) for s in sizes):
        if sum(sizes) > n:
            raise DomainError(f"split({given}) asks for {sum(sizes)} structures, but there are {n}")
        return [int(s) for s in sizes]
    if sum(sizes) > 1 + 1e-6:
        raise DomainError(f"split({given}): fractions sum to {sum(sizes):g}; they may sum to 1 at most")
    whole = [*sizes, max(0.0, 1 - sum(sizes))]
    quota = np.array(whole) / sum(whole) * n
    counts = np.floor(quota + 1e-9).astype(int)
    for p in np.argsort(counts - quota, kind="stable")[: n - counts.sum()]:  # largest remainders
        counts[p] += 1
    return [int(c) for c in counts[: len(sizes)]]


def _blocks(strata: Sequence[str], totals: Sequence[int], random: np.random.Generator, gap: int) -> np.ndarray:
    """Owner of each row (-1 in a gap): each stratum in proportion, in contiguous blocks."""
    names, stratum = np.unique(np.asarray(strata, dtype=str), return_inverse=True)
    owner = np.full(len(strata), -1)
    turns, start = _turns(totals), 0
    for s in random.permutation(len(names)):
        rows = np.flatnonzero(stratum == s)
        shares = np.bincount(turns[start : start + len(rows)], minlength=len(totals))
        owner[rows] = _cut(shares, random, gap)
        start += len(rows)
    return owner


def _turns(totals: Sequence[int]) -> np.ndarray:
    """A sequence of parts whose every stretch has the proportions of `totals`, and whose whole has them exactly."""
    share = np.array(totals) / sum(totals)
    assigned, turns = np.zeros(len(totals)), np.empty(sum(totals), dtype=int)
    for k in range(len(turns)):
        behind = np.where(assigned < totals, share * (k + 1) - assigned, -np.inf)
        turns[k] = int(np.argmax(behind))
        assigned[turns[k]] += 1
    return turns


def _cut(shares: np.ndarray, random: np.random.Generator, gap: int) -> np.ndarray:
    """Owners of one trajectory's rows in order: rounds of one block a part, in an order drawn anew each round."""
    used = np.flatnonzero(shares)
    rounds = int(np.clip(shares[used].min() // SHORTEST_BLOCK, 1, 10)) if len(used) > 1 else 1
    owner = np.empty(shares.sum(), dtype=int)
    start = 0
    for r in range(rounds):
        for p in random.permutation(used):
            size = shares[p] * (r + 1) // rounds - shares[p] * r // rounds
            owner[start : start + size] = p
            start += size
    cuts = np.flatnonzero(np.diff(owner)) + 1
    for cut in cuts if gap else ():
        owner[max(0, cut - gap // 2) : cut + (gap + 1) // 2] = -1
    return owner


def _whole_groups(groups: Sequence[str], totals: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Owner of each row: groups, the largest first, go to the part that lacks most."""
    names, group, counts = np.unique(np.asarray(groups, dtype=str), return_inverse=True, return_counts=True)
    shuffled = random.permutation(len(names))
    lacking = np.array(totals, dtype=float)
    owner = np.empty(len(groups), dtype=int)
    for g in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        p = int(np.argmax(lacking))
        owner[group == g] = p
        lacking[p] -= counts[g]
    return owner


def _refuse_empty(parts: list[np.ndarray], wanted: list[int], n: int, method: str) -> None:
    for k, part in enumerate(parts):
        if len(part) == 0:
            why = {"group": "there are too few groups", "block": "the set is too small or the gap too wide"}
            raise DomainError(
                f"part {k + 1} of the split is empty: {n} structures, {wanted} wanted, and "
                f"{why.get(method, 'the set is too small')}; ask for fewer parts or bring more structures"
            )
