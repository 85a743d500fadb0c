"""What ASE finds of us: loaded by everybody's `import ase.io`, so it must not import torch.

Importing it registers the calculator under the name "surrogates"; the class itself loads torch when it is constructed.
`calculator_registration` is what the entry point `ase.ioformats` asks for: a file format, here our HDF5 data sets.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import external_calculators, register_calculator_class
from ase.utils.plugins import ExternalIOFormat

from surrogates.calculator import SurrogateCalculator

if TYPE_CHECKING:
    from ase import Atoms

NAME = "surrogates"

calculator_registration = ExternalIOFormat(desc="surrogates data set (HDF5)", code="+S", module=__name__)

if NAME not in external_calculators:
    register_calculator_class(NAME, SurrogateCalculator)


def read_surrogates(filename: str, index: int | slice = -1) -> Iterator[Atoms]:
    """Frames of an HDF5 data set, labels in a SinglePointCalculator: `ase.io.read(path, format="surrogates")`."""
    from surrogates.datasets.store import Structures

    frames = Structures.open(filename).atoms
    chosen = frames[index] if isinstance(index, slice) else [frames[index]]
    yield from chosen


def __getattr__(name: str) -> Any:
    # ASE's plugin list (`ase info --plugins`) imports us while it is itself half imported: build ours when it asks
    if name != "__ase_plugins__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ase._4.plugins.plugin import CalculatorPlugin

    return {
        CalculatorPlugin(
            NAME,
            citation="CITATION.cff of surrogates; `surrogates cite` names the methods a run used",
            module=sys.modules[__name__],
            implementation="surrogates.calculator.SurrogateCalculator",
        )
    }
