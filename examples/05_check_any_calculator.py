"""The physical laws, measured on any ASE calculator: GFN2-xTB, EMT, and one with a mistake in it.

Needs the extra `xtb`; seconds. Each row is a law's error beside its scale and what is allowed. A broken law is a
finding about the calculator, not a crash: `report.passed` and `report.failed` say it to a script.
"""

from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from tblite.ase import TBLite

import surrogates

ethanol = molecule("CH3CH2OH")
print(surrogates.check(TBLite(method="GFN2-xTB", accuracy=0.01, verbosity=0), [ethanol]), end="\n\n")

copper = bulk("Cu", cubic=True)
print(surrogates.check(EMT(), [copper]), end="\n\n")


class CountedTwice(EMT):
    """What happens to pair forces when the sum over neighbours visits each pair twice."""

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        self.results["forces"] *= 2


report = surrogates.check(CountedTwice(), [copper])
print(report)
print("broken:", ", ".join(law.name for law in report.failed))
