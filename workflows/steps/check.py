"""The trust check of any calculator: every physical law, measured."""

from __future__ import annotations

from dataclasses import dataclass

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, Output
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode
from surrogates.workflows.steps.evaluate import LawRow
from surrogates.workflows.structure_fields import Structures


@dataclass(frozen=True)
class Check:
    """Measure the physical laws of a calculator.

    Args:
        structures: to measure them on. calculator: a trained surrogate, or a foreign calculator.
        drift: also run short NVE dynamics.
    """

    structures: Structures
    calculator: Calculator
    drift: bool = False

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.inputs import calculator, need, start_structures
        from surrogates.workflows.measures import law_rows

        structures = need(start_structures(self.structures))
        rows = law_rows(calculator(self.calculator, desk), structures, drift=self.drift)
        write_json(desk.job_folder(job) / "result.json", encode(rows))

    def finish(self, desk: Desk) -> Checked:
        rows = read_json(desk.job_folder("all") / "result.json")
        return Checked(tuple(decode(LawRow, row) for row in rows))


@dataclass(frozen=True)
class Checked:
    """Laws, one row each."""

    laws: tuple[LawRow, ...]

    @property
    def failed(self) -> tuple[LawRow, ...]:
        """Laws that are broken."""
        return tuple(law for law in self.laws if law.verdict == "FAIL")
