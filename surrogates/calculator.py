"""The ASE Calculator."""

from ase.calculators.calculator import Calculator


class SurrogateCalculator(Calculator):
    """Being written."""
