"""The public law kit: what every potential energy surface, and every operator between fields, owes, measured."""

from surrogates.testing.check_surrogate import Report, check_surrogate
from surrogates.testing.field_check import check, check_operator
from surrogates.testing.field_claims import Claims
from surrogates.testing.field_laws import order_of_convergence
from surrogates.testing.law import CONVERGED, EXACT, SINGLE, Law, Tolerance

__all__ = [
    "CONVERGED",
    "EXACT",
    "SINGLE",
    "Claims",
    "Law",
    "Report",
    "Tolerance",
    "check",
    "check_operator",
    "check_surrogate",
    "order_of_convergence",
]
