"""The public law kit: what every potential energy surface owes, measured."""

from surrogates.testing.check_surrogate import Report, check_surrogate
from surrogates.testing.law import CONVERGED, EXACT, SINGLE, Law, Tolerance

__all__ = ["CONVERGED", "EXACT", "SINGLE", "Law", "Report", "Tolerance", "check_surrogate"]
