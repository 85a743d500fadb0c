"""Exact results beside those of matrix product states: by closed form, on the whole space, or on a shorter chain."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from surrogates.datasets.adapters.openqasm import read_qasm
from surrogates.physics.circuits import simulate, statevector
from surrogates.physics.lattice import Hamiltonian, exact
from surrogates.physics.tensor_networks import MPS, dmrg, expect_operator, mpo
from surrogates.workflows.desk import Desk
from surrogates.workflows.quantum_circuits import bound_circuit, unmeasured
from surrogates.workflows.quantum_models import Chain
from surrogates.workflows.quantum_objects import chain_of, evolved, made_model, made_start, made_terms, read_state
from surrogates.workflows.steps.evaluate_quantum import Compared

_STATES = 2**14  # that are diagonalised
_FOLLOWED = 2**12  # that are followed in time
_QUBITS = 16  # of a whole state vector
_DIAGONAL = "exact diagonalisation"
_FREE = "free fermions"


def compared(record: dict[str, Any], name: str, small: int, desk: Desk) -> list[Compared]:
    """Every comparison that can be made for one result."""
    makers = {
        "ground_state": _ground_state,
        "evolve": _evolution,
        "compile_circuit": _compiled,
        "measure_circuit": _measured,
    }
    rows = makers[record["use"]](record, small, desk)
    return [replace(row, result=name, use=record["use"]) for row in rows]


def _row(
    what: str, value: float, reference: float, by: str, sites: int, *, whole: bool, scale: float = 1.0
) -> Compared:
    return Compared("", "", what, value, reference, abs(value - reference) / scale, by, sites, whole)


# ground states --------------------------------------------------------------------------------------------------------


def _ground_state(record: dict[str, Any], small: int, desk: Desk) -> list[Compared]:
    chain, charge = chain_of(record), record["conserve"]
    energy, rows = float(record["result"]["energy"]), list[Compared]()
    model = made_model(chain)
    half = charge is None or chain.length % 2 == 0
    known = closed_form(chain) if half else None
    if known is not None:
        rows.append(_energy(energy, known, _FREE, chain.length, whole=True))
    if model.dimension**chain.length <= _STATES:
        found = lowest(model, charge)
        return [*rows, _energy(energy, found, _DIAGONAL, chain.length, whole=True)]
    if chain.name is not None and (count := _shorter(model, small)) < chain.length:
        short = made_model(chain, count)
        start = made_start("neel", short, desk.seed)
        most = model.dimension ** (count // 2)
        found_by = dmrg(short, start, chi_max=most, conserve=charge, sites=record["sites"])
        rows.append(_energy(found_by.energy, lowest(short, charge), _DIAGONAL, count, whole=False))
    return rows


def _energy(value: float, reference: float, by: str, sites: int, *, whole: bool) -> Compared:
    return _row("energy", value, reference, by, sites, whole=whole, scale=abs(reference) or 1.0)


def closed_form(chain: Chain) -> float | None:
    """The ground state energy by free fermions, where the model is one of them and open."""
    s = chain.settings
    if s.get("periodic"):
        return None
    if chain.name == "tfim":
        return exact.tfim_energy(chain.length, J=s.get("J", 1.0), h=s.get("h", 1.0))
    if chain.name == "hopping" and not s.get("v") and not s.get("mu"):
        return exact.free_fermion_energy(chain.length, t=s.get("t", 1.0))
    if _is_xx(chain):
        factor = s.get("j", 1.0) if chain.name == "heisenberg" else 4.0
        return exact.free_fermion_energy(chain.length, t=factor / 2)
    return None


def _is_xx(chain: Chain) -> bool:
    s = chain.settings
    spins = chain.name in ("heisenberg", "xxz_pauli") and s.get("twice_spin", 1) == 1
    return spins and s.get("delta", 1.0) == 0 and not s.get("periodic")


def lowest(model: Hamiltonian, charge: str | None = None) -> float:
    """The lowest energy on the whole space, or with the charge of the state highest, lowest, highest, lowest ..."""
    if charge is None:
        return float(exact.ground_state(model)[0][0])
    diagonal = np.diag(model.site.operator(charge)).real
    total = np.zeros(1)
    for _ in range(model.length):
        total = (total[:, None] + diagonal).ravel()
    wanted = sum(diagonal[0 if n % 2 == 0 else -1] for n in range(model.length))
    inside = np.flatnonzero(np.abs(total - wanted) < 1e-9)
    h = exact.matrix(model)[inside][:, inside]
    if h.shape[0] <= 512:
        return float(np.linalg.eigvalsh(h.toarray())[0])
    from scipy.sparse.linalg import eigsh

    return float(eigsh(h, k=1, which="SA", v0=np.random.default_rng(0).standard_normal(h.shape[0]))[0][0])


def _shorter(model: Hamiltonian, small: int) -> int:
    """Sites of the shorter chain: even, and no more states than can be followed."""
    most = int(math.log(_FOLLOWED) / math.log(model.dimension) + 1e-9)
    return max(4, min(small, most) // 2 * 2)


# evolution ------------------------------------------------------------------------------------------------------------


def _evolution(record: dict[str, Any], small: int, desk: Desk) -> list[Compared]:
    chain, told, rows = chain_of(record), record["result"], list[Compared]()
    with np.load(record["folder"] / told["file"], allow_pickle=False) as arrays:
        times, values = arrays["time"], {n: arrays[n] for n in record["measure"]}
    unit = chain.settings.get("j", 1.0) if chain.name == "heisenberg" else 4.0
    if _is_xx(chain) and record["start"] == "neel" and "Sz" in values:
        off = float(np.abs(values["Sz"] - exact.xx_quench(chain.length, unit * times)).max())
        rows.append(Compared("", "", "Sz at all sites and times", None, None, off, _FREE, chain.length, True))
    if record["start"] is None:
        return rows
    model = made_model(chain)
    if model.dimension**chain.length <= _FOLLOWED:
        start = made_start(record["start"], model, desk.seed)
        off = _off(model, start, told["time"], {n: v[-1] for n, v in values.items()})
        return [*rows, Compared("", "", "values at the end", None, None, off, _DIAGONAL, chain.length, True)]
    if chain.name is not None and isinstance(record["start"], str) and (count := _shorter(model, small)) < chain.length:
        short = made_model(chain, count)
        start = made_start(record["start"], short, desk.seed)
        most, dt = model.dimension ** (count // 2), record["dt"]
        found = evolved(short, start, record["method"], time=told["time"], dt=dt, chi_max=most, every=record["every"])
        ends = {n: found.state.expect(n).numpy() for n in values}
        off = _off(short, start, told["time"], ends)
        rows.append(Compared("", "", "values at the end", None, None, off, _DIAGONAL, count, False))
    return rows


def _off(model: Hamiltonian, start: MPS, time: float, values: dict[str, np.ndarray]) -> float:
    """Largest distance of local values from those of the whole state vector."""
    psi = torch.from_numpy(exact.evolve(model, start.vector().numpy(), time))
    state = MPS.from_vector(psi, model.site)
    return max(float(np.abs(state.expect(n).numpy() - v).max()) for n, v in values.items())


# circuits -------------------------------------------------------------------------------------------------------------


def _compiled(record: dict[str, Any], small: int, desk: Desk) -> list[Compared]:
    target, told, rows = read_state(record["target"]).normalized(), record["result"], list[Compared]()
    circuit = read_qasm(Path(record["folder"]) / told["file"])
    best = next(c for c in told["circuits"] if c["steps"] == told["best"])
    again = 1 - simulate(circuit, chi_max=2 * record["chi"]).state.fidelity(target)
    by = "the file read again and simulated"
    rows.append(_row("infidelity", best["infidelity"], max(again, 0.0), by, len(target), whole=True))
    if len(target) <= _QUBITS:
        overlap = torch.vdot(target.vector().to(torch.complex128), statevector(circuit))
        whole = max(1 - float(abs(overlap) ** 2), 0.0)
        rows.append(_row("infidelity", best["infidelity"], whole, "whole state vectors", len(target), whole=True))
    return rows


def _measured(record: dict[str, Any], small: int, desk: Desk) -> list[Compared]:
    circuit = unmeasured(bound_circuit(record["circuit"], record["parameters"]))
    if circuit is None or circuit.qubits > _QUBITS:
        return []
    told, length = record["result"], circuit.qubits
    psi = MPS.from_vector(statevector(circuit))
    truth = dict(zip([f"Z of qubit {q}" for q in range(length)], psi.expect("Z").tolist(), strict=True))
    for name, terms in record["observables"].items():
        truth[name] = expect_operator(mpo(made_terms(terms, length)), psi).real
    sizes = {n: max(1.0, sum(abs(t[0]) for t in terms)) for n, terms in record["observables"].items()}
    off = max(abs(v["value"] - truth[v["name"]]) / sizes.get(v["name"], 1.0) for v in told["values"])
    by = "whole state vector"
    rows = [Compared("", "", "mean values", None, None, off, by, length, True)]
    fidelity = read_state(str(record["folder"] / "state.h5")).fidelity(psi)
    return [*rows, _row("fidelity of the state", fidelity, 1.0, by, length, whole=True)]
