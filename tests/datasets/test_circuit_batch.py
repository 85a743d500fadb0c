"""Circuits with a batch of parameter values: all at once as one by one."""

import pytest
import torch

from surrogates.datasets.batch import CircuitBatch
from surrogates.physics.circuits import Angle, Circuit, statevector
from surrogates.physics.errors import DomainError


def circuit() -> Circuit:
    a, b = Angle.parameter("a"), Angle.parameter("b")
    made = (
        Circuit(4, phase=0.3 * a).add("h", 0).add("cx", 0, 2).add("ry", 3, angles=[a]).add("rzz", 3, 1, angles=[b - a])
    )
    return made.add("cp", 2, 3, angles=[2 * b]).add("ccx", 3, 0, 1).add("u", 1, angles=[a, 0.2, b]).add("swap", 0, 3)


def test_all_at_once_is_one_by_one():
    generator = torch.Generator().manual_seed(0)
    batch = CircuitBatch(circuit(), torch.randn(5, 2, generator=generator, dtype=torch.float64))
    found, simulated = batch.states(), batch[1:3].simulate(chi_max=8)
    for row, psi in zip(batch.values.tolist(), found, strict=True):
        torch.testing.assert_close(psi, statevector(batch.circuit, {"a": row[0], "b": row[1]}), rtol=0, atol=1e-13)
    for made, psi in zip(simulated, found[1:3], strict=True):
        torch.testing.assert_close(made.state.vector(), psi, rtol=0, atol=1e-12)


def test_gradients_reach_each_member_alone():
    values = torch.tensor([[0.4, -0.7], [1.1, 0.2]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: CircuitBatch(circuit(), v).states()[:, 5].abs() ** 2, values)


def test_values_by_name_and_without_parameters():
    batch = CircuitBatch.of(circuit(), {"b": [0.1, 0.2, 0.3], "a": 1.0})
    torch.testing.assert_close(batch.parameters["a"], torch.ones(3, dtype=torch.float64))
    assert len(batch) == 3
    bell = Circuit(2).add("h", 0).add("cx", 0, 1)
    torch.testing.assert_close(CircuitBatch.of(bell, {}).states()[0], statevector(bell))


def test_what_does_not_fit_is_told():
    with pytest.raises(DomainError, match="2 parameters"):
        CircuitBatch(circuit(), torch.zeros(3, 1, dtype=torch.float64))
    with pytest.raises(DomainError, match="row 1"):
        CircuitBatch(circuit(), torch.tensor([[0.0, 0.0], [float("nan"), 0.0]], dtype=torch.float64))
    with pytest.raises(DomainError, match="'c' is no parameter"):
        CircuitBatch.of(circuit(), {"a": 0.0, "b": 0.0, "c": 0.0})
    with pytest.raises(DomainError, match="GiB"):
        CircuitBatch(Circuit(24), torch.zeros(64, 0, dtype=torch.float64)).states()
