import pytest
from linear_density import LinearDensity

from surrogates.tasks.energy import EnergyForces


@pytest.fixture
def truth() -> EnergyForces:
    return EnergyForces(LinearDensity(seed=5)).double()
