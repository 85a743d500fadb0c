"""Parts named in files: built again from their description, and nothing but permitted parts."""

import sys

import pytest
import torch
from torch import nn

from surrogates.construct import check_name, construct, describe, part
from surrogates.physics.errors import FileError, TrustError
from surrogates.potentials.pair import ZBL, Morse
from surrogates.potentials.sum import Sum
from surrogates.tasks.energy import EnergyForces


def test_nested_parts_are_built_again_from_their_description():
    task = EnergyForces(Sum(ZBL(r_max=2.0), Morse(depth={"Cu": 0.4, "Au": 0.6})), isolated={"Cu": -3.0, "Au": -5.0})
    spec = describe(task)
    again = construct(spec)
    assert describe(again) == spec
    assert [type(m) for m in again.modules()] == [type(m) for m in task.modules()]
    assert all(torch.equal(a, b) for a, b in zip(task.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_name_is_refused_before_anything_is_imported():
    for use in ("antigravity:fly", "surrogates.potentials.pair", "surrogates.workflows.cli:main", "a b:C", None):
        with pytest.raises(TrustError):
            check_name(use)
    assert "antigravity" not in sys.modules


def test_only_the_person_who_runs_can_trust_more():
    with pytest.raises(TrustError, match=r"trust=\['torch.nn'\]"):
        part("torch.nn:Linear")
    assert part("torch.nn:Linear", trust=["torch.nn"]) is nn.Linear
    built = construct({"use": "torch.nn:Linear", "in_features": 2, "out_features": 3}, trust=["torch.nn"])
    assert built.weight.shape == (3, 2)


def test_positional_parts_are_passed_on():
    spec = {"use": "torch.nn:Sequential", "args": [{"use": "torch.nn:Tanh"}, {"use": "torch.nn:ReLU"}]}
    assert [type(m) for m in construct(spec, trust=["torch.nn"])] == [nn.Tanh, nn.ReLU]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"use": "surrogates.potentials.pair:Mors"}, "did you mean Morse"),
        ({"use": "surrogates.potentials.nothing:Morse"}, "cannot be imported"),
        ({"use": "surrogates.potentials.pair:Morse", "dept": 1.0}, "did you mean depth"),
        ({"use": "surrogates.tasks.energy:EnergyForces"}, "missing"),
    ],
)
def test_a_wrong_word_is_told_with_the_nearest_right_one(spec, message):
    with pytest.raises(FileError, match=message):
        construct(spec)


def test_a_module_without_arguments_cannot_be_described():
    with pytest.raises(FileError, match="arguments"):
        describe(EnergyForces(nn.Linear(2, 2)))
