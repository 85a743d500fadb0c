"""Measurements, decisions and noise against density matrices and exact probabilities."""

import math

import pytest
import torch

from surrogates.physics.circuits import Circuit, Gate, Measure, Noise, Reset, average, sample_circuit, statevector
from surrogates.physics.circuits.noise import Channel, amplitude_damping, bit_flip, dephasing, depolarizing
from surrogates.physics.errors import DomainError


def measured(circuit, *qubits):
    return Circuit(circuit.qubits, (*circuit, *(Measure(q, b) for b, q in enumerate(qubits))), bits=len(qubits))


def test_shots_follow_the_probabilities_of_the_state():
    circuit = Circuit(3).add("ry", 0, angles=[1.0]).add("cx", 0, 2).add("ry", 1, angles=[0.7]).add("cx", 1, 2)
    p = (statevector(circuit).abs() ** 2).reshape(2, 2, 2)
    found = sample_circuit(measured(circuit, 2, 0), 20_000)
    for word, count in found.counts().items():  # bit 0 is the last character: qubit 2
        expected = float(p[int(word[0]), :, int(word[1])].sum())
        assert count / 20_000 == pytest.approx(expected, abs=4 * math.sqrt(expected / 20_000) + 1e-9)
    assert found.fidelity == pytest.approx(1)


def test_teleportation_works_whatever_is_measured():
    bell = (Gate("h", (1,)), Gate("cx", (1, 2)))
    message = Gate("u", (0,), (0.8, 0.3, -0.4))
    steps = (Gate("cx", (0, 1)), Gate("h", (0,)), Measure(0, 0), Measure(1, 1))
    mend = (Gate("x", (2,), when=((1, True),)), Gate("z", (2,), when=((0, True),)))
    back = (message.inverse().on({0: 2}), Measure(2, 2))
    found = sample_circuit(Circuit(3, (message, *bell, *steps, *mend, *back), bits=3), 200)
    assert (found.bits[:, 2] == 0).all()
    assert {tuple(row) for row in found.bits[:, :2].tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_reset_qubit_is_zero_and_its_partner_is_not_pure():
    circuit = Circuit(2, (Gate("h", (0,)), Gate("cx", (0, 1)), Reset(0), Measure(0, 0), Measure(1, 1)), bits=2)
    bits = sample_circuit(circuit, 300).bits
    assert (bits[:, 0] == 0).all()
    assert 0.35 < bits[:, 1].double().mean() < 0.65


@pytest.mark.parametrize("channel", [depolarizing(0.2), bit_flip(0.3), dephasing(0.4), amplitude_damping(0.35)])
def test_trajectories_average_to_the_channel(channel):
    gate = Gate("u", (0,), (0.9, 0.5, 0.1))
    psi = statevector(Circuit(1, (gate,)))
    density = channel(torch.outer(psi, psi.conj()))
    z = float((density[0, 0] - density[1, 1]).real)
    noise = Noise({1: [channel]})
    mean, error = average(Circuit(1, (gate,)), lambda s: 2 * float(s.expect("Sz")[0].real), 400, noise=noise)
    assert mean == pytest.approx(z, abs=4 * error + 1e-9)
    assert abs(density.trace() - 1) < 1e-12


def test_readings_can_be_wrong_and_bad_channels_are_refused():
    found = sample_circuit(measured(Circuit(1), 0), 500, noise=Noise(readout=0.2))
    assert 0.12 < found.bits.double().mean() < 0.28
    with pytest.raises(DomainError, match="keeps the trace"):
        Channel(torch.eye(2, dtype=torch.complex128)[None] * 0.9)
    with pytest.raises(DomainError, match="probability"):
        depolarizing(1.2)
    with pytest.raises(DomainError, match="measure something"):
        sample_circuit(Circuit(1), 10)
