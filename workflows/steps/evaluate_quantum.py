"""Results on chains and circuits beside exact ones: closed forms, exact diagonalisation, whole state vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Output, QuantumResult, Within
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode


@dataclass(frozen=True)
class EvaluateQuantum:
    """Compare what steps on chains and circuits found with what is known exactly.

    Args:
        results: of steps ground_state, evolve, compile_circuit and measure_circuit. small: sites of a shorter chain of
            the same model on which the same method is run and compared with exact diagonalisation.
    """

    results: QuantumResult | list[QuantumResult]
    small: Annotated[int, Within(4, 14)] = 10

    def __post_init__(self) -> None:
        if not self._files():
            raise ValueError("there is no result to compare")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return [f"result-{k}" for k in range(len(self._files()))]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.quantum_objects import read_record
        from surrogates.workflows.quantum_references import compared

        k = int(job.rpartition("-")[2])
        record = read_record(self._files()[k])
        found = compared(record, names_of(self._files())[k], self.small, desk)
        write_json(desk.job_folder(job) / "result.json", encode(found))

    def finish(self, desk: Desk) -> QuantumEvaluated:
        parts = [read_json(desk.job_folder(job) / "result.json") for job in self.jobs()]
        rows = tuple(decode(Compared, row) for part in parts for row in part)
        return QuantumEvaluated(tuple(names_of(self._files())), rows)

    def _files(self) -> list[str]:
        return [self.results] if isinstance(self.results, str) else self.results


def names_of(files: list[str]) -> list[str]:
    """The folders of the records; numbered where two are equal."""
    names = [Path(f).parent.name for f in files]
    return [n if names.count(n) == 1 else f"{n}-{k}" for k, n in enumerate(names)]


@dataclass(frozen=True)
class Compared:
    """One number beside the exact one.

    Args:
        result: whose. use: its step. what: the number. value, reference: None where they are many. error: the largest
            distance of them, over `scale`, which is 1 for what is of order 1. by: how the reference was found. sites:
            of the system compared. whole: whether that is the result itself rather than a shorter chain.
    """

    result: str
    use: str
    what: str
    value: float | None
    reference: float | None
    error: float
    by: str
    sites: int
    whole: bool


@dataclass(frozen=True)
class QuantumEvaluated:
    """All comparisons; `names` of the results, whether something could be compared or not."""

    names: tuple[str, ...]
    rows: tuple[Compared, ...]

    def of(self, name: str) -> list[Compared]:
        """Those of one result."""
        return [row for row in self.rows if row.result == name]
