"""Qiskit's primitives, version 2, on matrix product states (extra `quantum`): existing scripts run with another import.

    from surrogates.interop.qiskit_primitives import Estimator, Sampler

    counts = Sampler(chi_max=128).run([circuit], shots=1000).result()[0].data.meas.get_counts()
    energy = Estimator(chi_max=128).run([(circuit, observable, values)]).result()[0].data.evs

A PUB is a circuit with arrays of parameter values, and for the estimator of observables, that are broadcast against one
another, as in Qiskit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from surrogates.datasets.adapters.qiskit import from_qiskit
from surrogates.physics.circuits import Circuit, Measure, Noise, sample_circuit, simulate
from surrogates.physics.errors import DomainError, FileError, MissingExtra, SurrogatesWarning
from surrogates.physics.lattice import Site, hamiltonian
from surrogates.physics.tensor_networks import MPO, MPS, expect_operator, mpo

try:
    from qiskit.primitives import (
        BaseEstimatorV2,
        BaseSamplerV2,
        BitArray,
        DataBin,
        PrimitiveJob,
        PrimitiveResult,
        PubResult,
        SamplerPubResult,
    )
    from qiskit.primitives.containers.estimator_pub import EstimatorPub
    from qiskit.primitives.containers.sampler_pub import SamplerPub
except ImportError:
    raise MissingExtra("qiskit", "quantum") from None

_LETTERS = {
    "I": [[1, 0], [0, 1]], "X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]],
    "0": [[1, 0], [0, 0]], "1": [[0, 0], [0, 1]], "+": [[0.5, 0.5], [0.5, 0.5]], "-": [[0.5, -0.5], [-0.5, 0.5]],
    "r": [[0.5, -0.5j], [0.5j, 0.5]], "l": [[0.5, 0.5j], [-0.5j, 0.5]],
}  # fmt: skip
_QUBIT = Site("qubit", {name: np.array(m) for name, m in _LETTERS.items()}, ("0", "1"))
_KEPT = 64  # operators that are not built twice


class Sampler(BaseSamplerV2):  # type: ignore[misc]
    """Shots of circuits, as qiskit.primitives.StatevectorSampler gives them.

    Args:
        chi_max, cutoff: of the states, see `simulate`. default_shots: of PUBs that say nothing. seed: of all draws;
            with None they differ from run to run. noise: of gates and readings, by trajectories.
    Metadata of each result has `fidelity`: the smallest estimate of its states.
    """

    def __init__(
        self,
        *,
        chi_max: int = 64,
        cutoff: float | int = 1e-14,
        default_shots: int = 1024,
        seed: int | None = None,
        noise: Noise | None = None,
    ) -> None:
        self.chi_max, self.cutoff, self.default_shots, self.noise = chi_max, cutoff, default_shots, noise
        self._seeds = np.random.default_rng(seed)

    def run(self, pubs: Iterable[Any], *, shots: int | None = None) -> Any:
        """A job whose `result()[k].data.<register>` is the BitArray of PUB k."""
        asked = [SamplerPub.coerce(pub, shots or self.default_shots) for pub in pubs]
        seeds = [int(self._seeds.integers(2**62)) for _ in asked]
        job = PrimitiveJob(self._all, asked, seeds)
        job._submit()
        return job

    def _all(self, pubs: list[Any], seeds: list[int]) -> Any:
        found = [self._one(pub, seed) for pub, seed in zip(pubs, seeds, strict=True)]
        return PrimitiveResult(found, metadata={"version": 2})

    def _one(self, pub: Any, seed: int) -> Any:
        given, shots = pub.circuit, int(pub.shots)
        if not given.cregs:
            warnings.warn(
                "a circuit without classical registers gives no bits; add measurements to it, as measure_all() does",
                SurrogatesWarning,
                stacklevel=2,
            )
        bits, worst = np.zeros((*pub.shape, shots, given.num_clbits), dtype=bool), 1.0
        for n, (index, circuit) in enumerate(_bound(pub)):
            if any(isinstance(operation, Measure) for operation in circuit):
                drawn = sample_circuit(
                    circuit, shots, noise=self.noise, chi_max=self.chi_max, cutoff=self.cutoff, seed=(seed + n) % 2**63
                )
                bits[index], worst = drawn.bits.numpy().astype(bool), min(worst, drawn.fidelity)
        arrays = {}
        for register in given.cregs:
            places = [given.find_bit(bit).index for bit in register]
            arrays[register.name] = BitArray.from_bool_array(bits[..., places], order="little")
        metadata = {"shots": shots, "circuit_metadata": given.metadata, "fidelity": worst}
        return SamplerPubResult(DataBin(**arrays, shape=pub.shape), metadata=metadata)


class Estimator(BaseEstimatorV2):  # type: ignore[misc]
    """Expectation values of circuits' states, as qiskit.primitives.StatevectorEstimator gives them.

    Args:
        chi_max, cutoff: of the states, see `simulate`. default_precision: of PUBs that say nothing: standard deviation
            of a normal error that is added to each value, as shots would; 0 adds none. seed: of these errors.
    A value is one contraction of the observable's operator with the state: exact but for what the state's metadata
    `fidelity` says.
    """

    def __init__(
        self,
        *,
        chi_max: int = 64,
        cutoff: float | int = 1e-14,
        default_precision: float | int = 0.0,
        seed: int | None = None,
    ) -> None:
        self.chi_max, self.cutoff, self.default_precision = chi_max, cutoff, default_precision
        self._draws = np.random.default_rng(seed)

    def run(self, pubs: Iterable[Any], *, precision: float | None = None) -> Any:
        """A job whose `result()[k].data` has `evs` and `stds` of PUB k."""
        wanted = self.default_precision if precision is None else precision
        asked = [EstimatorPub.coerce(pub, wanted) for pub in pubs]
        job = PrimitiveJob(self._all, asked)
        job._submit()
        return job

    def _all(self, pubs: list[Any]) -> Any:
        return PrimitiveResult([self._one(pub) for pub in pubs], metadata={"version": 2})

    def _one(self, pub: Any) -> Any:
        states: dict[tuple[int, ...], MPS] = {}
        worst = 1.0
        for index, circuit in _bound(pub):
            found = simulate(circuit, chi_max=self.chi_max, cutoff=self.cutoff)
            states[index], worst = found.state, min(worst, found.fidelity)
        numbers = np.arange(pub.parameter_values.size).reshape(pub.parameter_values.shape)
        places = list(np.ndindex(pub.parameter_values.shape))
        numbers, observables = np.broadcast_arrays(numbers, np.asarray(pub.observables))
        values = np.zeros(pub.shape)
        for index in np.ndindex(pub.shape):
            terms = tuple((str(p), complex(c)) for p, c in sorted(dict(observables[index]).items()))
            state = states[places[int(numbers[index])]]
            values[index] = expect_operator(_operator(terms, len(state)), state).real
        precision = float(pub.precision)
        if precision > 0:
            values = self._draws.normal(values, precision)
        data = DataBin(evs=values, stds=np.full(pub.shape, precision), shape=pub.shape)
        facts = {"target_precision": precision, "circuit_metadata": pub.circuit.metadata, "fidelity": worst}
        return PubResult(data, metadata=facts)


def expectation(state: MPS, observable: Any) -> complex:
    """<psi|O|psi> of a SparsePauliOp, a Pauli or {"ZZI": coefficient}, the last letter on site 0.

    One contraction with the sum of all terms as a matrix product operator. Raises DomainError for another length.
    """
    return expect_operator(_operator(tuple(_terms(observable)), len(state)), state)


def _terms(observable: Any) -> Iterator[tuple[str, complex]]:
    if isinstance(observable, Mapping):
        yield from ((str(p), complex(c)) for p, c in observable.items())
    elif hasattr(observable, "to_list"):
        yield from ((str(p), complex(c)) for p, c in observable.to_list())
    else:  # a Pauli, with its phase in front
        label = str(observable)
        yield label.lstrip("+-i"), {"": 1, "-": -1, "i": 1j, "-i": -1j}[label[: len(label) - len(label.lstrip("+-i"))]]


@lru_cache(_KEPT)
def _operator(terms: tuple[tuple[str, complex], ...], length: int) -> MPO:
    rows = []
    for letters, coefficient in terms:
        if len(letters) != length or set(letters) - set(_LETTERS):
            raise DomainError(
                f"the observable {letters!r} on {length} qubits; give a letter of {''.join(_LETTERS)} each"
            )
        rows.append((coefficient, [(x, q) for q, x in enumerate(reversed(letters)) if x != "I"]))
    return mpo(hamiltonian(length, rows, _QUBIT))


def _bound(pub: Any) -> Iterator[tuple[tuple[int, ...], Circuit]]:
    """The circuit with each set of parameter values, by index."""
    given, parameters = pub.circuit, list(pub.circuit.parameters)
    values = pub.parameter_values.as_array(parameters)
    names = [p.name for p in parameters]
    try:
        ours: Circuit | None = from_qiskit(given)
    except FileError:
        if not parameters:
            raise
        ours = None  # angles that are not affine in the parameters: numbers first
    for index in np.ndindex(values.shape[:-1]):
        row = [float(x) for x in values[index]]
        if ours is None:
            yield index, from_qiskit(given.assign_parameters(dict(zip(parameters, row, strict=True))))
        else:
            yield index, ours.bind(dict(zip(names, row, strict=True)))
