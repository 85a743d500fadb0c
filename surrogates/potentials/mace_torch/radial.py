"""Radial parts of a mace-torch model as ours: basis, distance transform, cutoff, repulsion of nuclei."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surrogates.blocks.distance_transforms import Agnesi, EarlySoft, Soft
from surrogates.blocks.radial_embedding import Chebyshev, Gaussians, RadialEmbedding, StoredBessel
from surrogates.physics.errors import FileError
from surrogates.potentials.mace_parts.repulsion import CoreRepulsion
from surrogates.potentials.mace_torch.stubs import Stub


def radial_embedding(embedding: Stub) -> RadialEmbedding:
    """Basis, transform and cutoff with the file's own numbers."""
    cutoff = embedding.module("cutoff_fn")
    transform = embedding.module("distance_transform") if embedding.has("distance_transform") else None
    return RadialEmbedding(
        _basis(embedding.module("bessel_fn")),
        r_max=cutoff.number("r_max"),
        cutoff_p=int(cutoff.number("p")),
        transform=None if transform is None else _transform(transform),
        cut=bool(embedding.get("apply_cutoff", True)),
    )


def repulsion(model: Stub, elements: list[int], r_max: float, strength: float) -> CoreRepulsion | None:
    """The pair repulsion, where the model has one."""
    if not (model.get("pair_repulsion", False) and model.has("pair_repulsion_fn")):
        return None
    theirs = model.module("pair_repulsion_fn")
    ours = CoreRepulsion(elements, r_max=r_max, cutoff_p=int(theirs.number("p")), strength=strength).double()
    _set(ours, radii=_radii(theirs), factors=theirs.tensor("c"))
    _set(ours, power=theirs.tensor("a_exp"), length=theirs.tensor("a_prefactor"))
    return ours


def count(embedding: Stub) -> int:
    """Number of radial functions."""
    basis = embedding.module("bessel_fn")
    names = {"BesselBasis": "bessel_weights", "GaussianBasis": "gaussian_weights", "ChebychevBasis": "n"}
    return basis.tensor(names[basis.kind]).numel() if basis.kind in names else 0


def _basis(basis: Stub) -> nn.Module:
    if basis.kind == "BesselBasis":
        numbers = basis.tensor("bessel_weights").flatten()
        bessel = StoredBessel(len(numbers)).double()
        _set(bessel, wave_numbers=numbers, prefactor=basis.tensor("prefactor"))
        return bessel
    if basis.kind == "GaussianBasis":
        means = basis.tensor("gaussian_weights").flatten()
        gaussians = Gaussians((-0.5 / basis.number("coeff")) ** 0.5 * (len(means) - 1), len(means)).double()
        gaussians.exponent = basis.number("coeff")
        _set(gaussians, means=means)
        return gaussians
    if basis.kind == "ChebychevBasis":
        return Chebyshev(basis.tensor("n").numel())
    raise FileError(f"the radial basis {basis.name} is unknown; Bessel, Gaussian and Chebyshev bases are read")


def _transform(transform: Stub) -> nn.Module:
    radii = _radii(transform)
    if transform.kind == "AgnesiTransform":
        agnesi = Agnesi().double()
        _set(agnesi, radii=radii, a=transform.tensor("a"), p=transform.tensor("p"), q=transform.tensor("q"))
        return agnesi
    if transform.kind == "SoftTransform" and transform.has("alpha"):
        soft = Soft().double()
        _set(soft, radii=radii, steepness=transform.tensor("alpha"))
        return soft
    if transform.kind == "SoftTransform":
        early = EarlySoft().double()
        _set(early, radii=radii, a=transform.tensor("a"), b=transform.tensor("b"))
        return early
    raise FileError(f"the distance transform {transform.name} is unknown; Agnesi and Soft transforms are read")


def _radii(stub: Stub) -> Tensor:
    """The file's own covalent radii of atomic numbers 0 to 118: tables of ASE's versions differ."""
    found = stub.tensor("covalent_radii").flatten()[:119]
    return torch.cat([found, found.new_full((119 - len(found),), 0.2)])


def _set(module: nn.Module, **values: Tensor) -> None:
    for name, value in values.items():
        buffer = module.get_buffer(name)
        buffer.copy_(value.reshape(buffer.shape))
