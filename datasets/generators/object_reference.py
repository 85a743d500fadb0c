"""An ASE calculator object as reference, for calculators that no file may name."""

from __future__ import annotations

from typing import Any


class ObjectReference:
    """Stands where a `Reference` does. Each label starts from the calculator reset, not from a new one.

    Args:
        calculator: any object with ASE's calculator interface; charge and spin are its own affair.
    """

    def __init__(self, calculator: Any) -> None:
        self._calculator = calculator
        self.use = f"{type(calculator).__module__}:{type(calculator).__name__}"
        self.spec: dict[str, Any] = {}
        self.electronic = False

    def identity(self) -> str:
        """A name; it says nothing of the object's content, so nothing may be kept beyond its life."""
        return f"{self.use} object"

    def electrons(self, charge: float | int | None, multiplicity: int | None) -> dict[str, int]:
        """Nothing: the calculator was made with its charge and spin."""
        return {}

    def calculator(self, *, charge: float | int | None = None, multiplicity: int | None = None) -> Any:
        """The calculator, its last results forgotten."""
        if hasattr(self._calculator, "reset"):
            self._calculator.reset()
        return self._calculator
