"""What the fields of a step say about themselves: unit, range, and what a reference there must lead to.

A step is a frozen dataclass whose fields are its YAML keys. These annotations are read by the checker, by the JSON
schema and by `--dry-run`; `typing.Annotated` keeps them invisible to everything else.
"""

from dataclasses import dataclass
from typing import Annotated, Any

KINDS = {
    "structures": "a file of structures",
    "parts": "named files of structures (train, valid, ...)",
    "surrogate": "a trained surrogate",
    "fields": "a file of fields on a grid",
    "field parts": "named files of fields (train, valid, ...)",
    "operator": "a trained operator on fields",
    "equation": "a trained solution of an equation",
    "meshes": "a file of meshes with fields",
    "mesh parts": "named files of meshes (train, valid, ...)",
    "mesh surrogate": "a trained surrogate on meshes",
    "quantum state": "a state of a chain (.h5)",
    "circuit": "a circuit in OpenQASM",
    "quantum result": "what a step on chains or circuits found",
    "nothing": "no output that a step can take",
}


PARTS_OF = {"parts": "structures", "field parts": "fields", "mesh parts": "meshes"}
TRAINED = ("surrogate", "operator", "mesh surrogate")


@dataclass(frozen=True)
class Unit:
    """The unit of a number, as a user reads it."""

    name: str


@dataclass(frozen=True)
class Within:
    """low <= number <= high, or low < number when `open`."""

    low: float | int = 0
    high: float | int = float("inf")
    open: bool = False

    def holds(self, number: float | int) -> bool:
        return (number > self.low if self.open else number >= self.low) and number <= self.high

    def __str__(self) -> str:
        low = f"{'above' if self.open else 'at least'} {self.low:g}"
        return low if self.high == float("inf") else f"{low} and at most {self.high}"


@dataclass(frozen=True)
class Takes:
    """A string here is `${step}` or `${step.output}` of this kind (see KINDS), or the path of a file."""

    kind: str


@dataclass(frozen=True)
class Output:
    """What a step leaves for others: its kind (see KINDS) and its file below the step's folder.

    Parts have no file of their own: they are the step's outputs of the kind that PARTS_OF names.
    """

    kind: str
    file: str = ""


@dataclass(frozen=True)
class Part:
    """A mapping whose `use:` names a class of one of these rooms of the library, its arguments beside it."""

    rooms: tuple[str, ...]


@dataclass(frozen=True)
class ReferencePart:
    """A mapping whose `use:` names a foreign calculator of the written list, its arguments beside it."""


Count = Annotated[int, Within(1)]
Seed = Annotated[int, Within(0, 2**32 - 1)]
Positive = Annotated[float, Within(open=True)]
Fraction = Annotated[float, Within(0, 1)]
Femtoseconds = Annotated[float, Unit("fs"), Within(open=True)]
Kelvin = Annotated[float, Unit("K"), Within(0)]
Minutes = Annotated[float, Unit("CPU minutes"), Within(open=True)]
Angstrom = Annotated[float, Unit("Å"), Within(0)]
Length = Annotated[float, Unit("Å"), Within(open=True)]
ForceLimit = Annotated[float, Unit("eV/Å"), Within(open=True)]
Pressure = Annotated[float, Unit("GPa"), Within(-1000, 1000)]
StressLimit = Annotated[float, Unit("GPa"), Within(open=True)]
Strain = Annotated[float, Within(0, 0.1, open=True)]
VolumeRange = Annotated[float, Within(0, 0.4, open=True)]
Points = Annotated[int, Within(6)]

StructuresFile = Annotated[str, Takes("structures")]
DataParts = Annotated[str | dict[str, StructuresFile], Takes("parts")]
Reference = Annotated[dict[str, Any], ReferencePart()]
TrainedSurrogate = Annotated[str, Takes("surrogate")]
Calculator = TrainedSurrogate | Reference
Model = Annotated[dict[str, Any], Part(("surrogates.potentials",))]
FieldsFile = Annotated[str, Takes("fields")]
FieldParts = Annotated[str | dict[str, FieldsFile], Takes("field parts")]
TrainedOperator = Annotated[str, Takes("operator")]
OperatorModel = Annotated[dict[str, Any], Part(("surrogates.operators",))]
MeshesFile = Annotated[str, Takes("meshes")]
MeshParts = Annotated[str | dict[str, MeshesFile], Takes("mesh parts")]
TrainedMeshSurrogate = Annotated[str, Takes("mesh surrogate")]
MeshModel = Annotated[dict[str, Any], Part(("surrogates.meshes",))]
TrainedEquation = Annotated[str, Takes("equation")]
EquationProblem = Annotated[dict[str, Any], Part(("surrogates.pinns.problems",))]
EquationModel = Annotated[dict[str, Any], Part(("surrogates.pinns",))]
EquationWeighting = Annotated[dict[str, Any], Part(("surrogates.pinns.causal",))]
QuantumState = Annotated[str, Takes("quantum state")]
CircuitFile = Annotated[str, Takes("circuit")]
QuantumResult = Annotated[str, Takes("quantum result")]
