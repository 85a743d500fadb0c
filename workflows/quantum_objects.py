"""Models, starts and records of chains as objects, made of what a workflow file says. Imported in workers only."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from surrogates.physics import lattice
from surrogates.physics.errors import DomainError, FileError
from surrogates.physics.lattice import Hamiltonian, Site
from surrogates.physics.tensor_networks import MPS, Evolution, load, tdvp, tebd
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.quantum_models import Chain

_SHUFFLED = 4001  # added to the seed of a start drawn at random
_WIDTH = 8  # bond of a random start


def made_model(chain: Chain, length: int | None = None) -> Hamiltonian:
    """The Hamiltonian; of another length where one is given (models by name only)."""
    if chain.name is not None:
        found: Hamiltonian = getattr(lattice, chain.name)(length or chain.length, **chain.settings)
        return found
    if length not in (None, chain.length):
        raise DomainError("a list of terms has one length")
    return made_terms(chain.terms or [], chain.length, made_site(chain.sites))


def made_terms(terms: list[list[Any]], length: int, site: Site | None = None) -> Hamiltonian:
    """[coefficient, operator, site, ...] each."""
    rows = [(row[0], list(zip(row[1::2], row[2::2], strict=True))) for row in terms]
    return lattice.hamiltonian(length, rows, site)


def made_site(word: str) -> Site:
    """What stands on a site."""
    makers = {"spin": lattice.spin, "fermion": lattice.fermion, "electron": lattice.electron}
    return lattice.spin(2) if word == "spin 1" else makers[word]()


def made_start(start: str | list[Any], model: Hamiltonian, seed: int) -> MPS:
    """neel: highest and lowest state in turn; domains: one half each; shuffled: in another order; random; or given."""
    if start == "random":
        return MPS.random(model.length, _WIDTH, seed=_SHUFFLED + seed, site=model.site)
    if isinstance(start, list):
        return MPS.product(start, model.site)
    ends = [0 if n % 2 == 0 else model.dimension - 1 for n in range(model.length)]
    if start == "domains":
        ends = sorted(ends)
    if start == "shuffled":
        order = np.random.default_rng(_SHUFFLED + seed).permutation(model.length)
        ends = [ends[k] for k in order]
    return MPS.product(ends, model.site)


def operators_of(site: Site, asked: list[str] | None) -> list[str]:
    """What is measured on every site: as asked, or what a model of such sites usually conserves.

    Raises DomainError for an operator that there is not, and for one that is not Hermitian.
    """
    names = asked or [next(name for name in ("Sz", "n") if name in site.operators)]
    for name in names:
        matrix = site.operator(name)
        if not np.allclose(matrix, matrix.conj().T):
            raise DomainError(f"{name!r} is not Hermitian, so its mean is no measurement; take Sx and Sy, or n")
    return names


def entropies(state: MPS) -> torch.Tensor:
    """Entanglement entropy (bonds,) of every cut, natural logarithm; one sweep of the centre."""
    found = []
    for bond in range(1, len(state)):
        state = state.canonical(bond)
        p = torch.linalg.svdvals(state.tensors[bond].flatten(1)) ** 2
        p = p[p > 0] / p.sum()
        found.append(-(p * p.log()).sum())
    return torch.stack(found) if found else torch.zeros(0, dtype=torch.float64)


def evolved(model: Hamiltonian, start: MPS, method: str, **settings: Any) -> Evolution:
    """By the method that a file names."""
    if method == "tdvp":
        return tdvp(model, start, **settings)
    return tebd(model, start, order=4 if method == "tebd4" else 2, **settings)


def read_state(path: str) -> MPS:
    """A state from a file. Raises FileError for an operator."""
    found = load(path)
    if not isinstance(found, MPS):
        raise FileError(f"{Path(path).name} holds an operator; give a state, such as ${{ground.state}}")
    return found


def write_record(folder: Path, use: str, words: dict[str, Any], result: Any) -> None:
    """record.json: what other steps and the evaluation need to know of a result."""
    from surrogates.workflows.results import encode

    write_json(folder / "record.json", {"use": use, **words, "result": encode(result)})


def read_record(path: str) -> dict[str, Any]:
    """What `write_record` wrote, with its `folder`. Raises FileError for another file."""
    found = read_json(Path(path))
    if not isinstance(found, dict) or "use" not in found or "result" not in found:
        raise FileError(f"{Path(path).name} is no record of a step on chains or circuits; give ${{step}}")
    return {**found, "folder": Path(path).parent}


def chain_of(record: dict[str, Any]) -> Chain:
    """The chain of a record."""
    return Chain(**record["model"])


def plain(chain: Chain) -> dict[str, Any]:
    """A chain as plain data."""
    return asdict(chain)
