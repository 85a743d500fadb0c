"""Every potential obeys every law: rotation 1e-10, F 1e-5 eV/Å, stress 1e-6 eV/Å^3, supercell 1e-9, cutoff, batches."""

import pytest

from surrogates.testing.check_surrogate import LAWS
from surrogates.testing.law import EXACT
from surrogates.testing.persistence import saved_is_loaded


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law_holds(subject, structures, law):
    for measured in law(subject.probe, structures, EXACT):
        if measured.name.split(":")[0] in subject.exempt:
            assert measured.verdict == "FAIL", f"{subject.name} should be able to tell: {measured}"
        else:
            assert measured.verdict == "pass", f"{subject.name}: {measured}"


def test_saved_is_loaded(subject, structures):
    (measured,) = saved_is_loaded(subject.task, structures)
    assert measured.verdict == "pass", measured
