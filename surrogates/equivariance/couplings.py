"""Couplings of irreps: pairs by Clebsch-Gordan numbers, and symmetric products of one feature with itself.

An equivariant polynomial of degree n in the components of V is a symmetric coupling V x ... x V -> V_L. All of them
follow from those of degree n - 1 times one more factor, so a chain of Clebsch-Gordan products of polynomials spans the
space; what is linearly dependent is dropped.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from math import factorial

import numpy as np
import torch
from e3nn import o3

from surrogates.equivariance.irreps import Irrep

_DEPENDENT = 1e-7  # norm left of a unit vector below which it lies in the span of those before it


@dataclass(frozen=True)
class SymmetricCouplings:
    """Orthonormal basis of the equivariant homogeneous polynomials of one degree.

    Args:
        monomials: component indices of each monomial, ascending, (monomials, degree).
        coefficients: (paths, 2L + 1, monomials). As full symmetric tensors the couplings have unit norm in each of
            their 2L + 1 components, and different paths are orthogonal.
    """

    monomials: np.ndarray
    coefficients: np.ndarray


@cache
def wigner_3j(l1: int, l2: int, l3: int) -> np.ndarray:
    """Invariant tensor of unit norm, (2 l1 + 1, 2 l2 + 1, 2 l3 + 1), in e3nn's basis.

    For odd l1 + l2 + l3 its sign differs between versions of e3nn; here the first entry that is not zero is positive,
    so that trained weights mean the same with all of them.
    """
    coupling = o3.wigner_3j(l1, l2, l3, dtype=torch.float64).numpy()
    if (l1 + l2 + l3) % 2:
        coupling = coupling * np.sign(coupling[np.abs(coupling) > 1e-6][0])
    return coupling


@cache
def symmetric_couplings(inputs: tuple[Irrep, ...], output: Irrep, degree: int) -> SymmetricCouplings:
    """All symmetric couplings of `degree` copies of the direct sum `inputs` to `output`; zero paths if none exists."""
    monomials = _monomials(_dim(inputs), degree)
    found = _polynomials(inputs, degree, output[0]).get(output)
    if found is None:
        found = np.zeros((0, 2 * output[0] + 1, len(monomials)))
    return SymmetricCouplings(np.array(monomials).reshape(-1, degree), found)


@cache
def _polynomials(inputs: tuple[Irrep, ...], degree: int, l_cap: int) -> dict[Irrep, np.ndarray]:
    """Orthonormal equivariant polynomials of one degree, by the irrep (l <= l_cap) they transform as."""
    if degree == 1:
        return {irrep: found for irrep, found in _linear(inputs).items() if irrep[0] <= l_cap}
    raised = _raise_table(_dim(inputs), degree)
    weights = _inverse_multiplicity(_monomials(_dim(inputs), degree))
    products: dict[Irrep, list[np.ndarray]] = defaultdict(list)
    for (l1, p1), left in _polynomials(inputs, degree - 1, l_cap + max(l for l, _ in inputs)).items():
        for (l2, p2), columns in zip(inputs, _blocks(inputs), strict=True):
            for l3 in range(abs(l1 - l2), min(l1 + l2, l_cap) + 1):
                product = _multiply(left, wigner_3j(l1, l2, l3), raised[:, columns], len(weights))
                products[l3, p1 * p2].append(product)
    bases = {irrep: _independent(np.concatenate(parts), weights) for irrep, parts in products.items()}
    return {irrep: basis for irrep, basis in bases.items() if len(basis)}


def _linear(inputs: tuple[Irrep, ...]) -> dict[Irrep, np.ndarray]:
    found = defaultdict(list)
    for irrep, columns in zip(inputs, _blocks(inputs), strict=True):
        found[irrep].append(np.eye(_dim(inputs))[columns])
    return {irrep: np.stack(parts) for irrep, parts in found.items()}


def _multiply(left: np.ndarray, coupling: np.ndarray, raised: np.ndarray, n: int) -> np.ndarray:
    """Coupled products of polynomials (paths, 2 l1 + 1, monomials) with variables; `raised` tells where terms go."""
    terms = np.einsum("pam,abc->pcmb", left, coupling)
    out = np.zeros((*terms.shape[:2], n))
    for b in range(raised.shape[1]):  # times one variable is one to one on monomials, so no index repeats
        out[..., raised[:, b]] += terms[..., b]
    return out


def _independent(candidates: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Gram-Schmidt over paths in their order: the same basis on every machine, unlike that of an SVD.

    By Schur's lemma one component decides: paths are orthogonal in all components when they are in the first.
    """
    kept: list[np.ndarray] = []
    for path in candidates:
        norm = np.sqrt(weights @ path[0] ** 2)
        if norm < _DEPENDENT:
            continue
        path = path / norm
        for _ in range(2):  # twice is enough for orthogonality to rounding
            for other in kept:
                path = path - (weights * other[0] @ path[0]) * other
        norm = np.sqrt(weights @ path[0] ** 2)
        if norm > _DEPENDENT:
            kept.append(path / norm)
    return np.stack(kept) if kept else candidates[:0]


@cache
def _monomials(dim: int, degree: int) -> list[tuple[int, ...]]:
    return list(combinations_with_replacement(range(dim), degree))


@cache
def _raise_table(dim: int, degree: int) -> np.ndarray:
    """[m, b]: which monomial of `degree` is monomial m of degree - 1 times variable b."""
    index = {monomial: k for k, monomial in enumerate(_monomials(dim, degree))}
    below = _monomials(dim, degree - 1)
    return np.array([[index[tuple(sorted((*m, b)))] for b in range(dim)] for m in below])


def _inverse_multiplicity(monomials: list[tuple[int, ...]]) -> np.ndarray:
    """1 / (number of distinct orders of the factors): turns squared coefficients into a squared tensor norm."""
    return np.array([np.prod([factorial(m.count(i)) for i in set(m)]) / factorial(len(m)) for m in monomials])


def _blocks(inputs: tuple[Irrep, ...]) -> list[slice]:
    ends = np.cumsum([2 * l + 1 for l, _ in inputs]).tolist()
    return [slice(end - 2 * l - 1, end) for end, (l, _) in zip(ends, inputs, strict=True)]


def _dim(inputs: tuple[Irrep, ...]) -> int:
    return sum(2 * l + 1 for l, _ in inputs)
