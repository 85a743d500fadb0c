"""The public law kit: what potential energy surfaces, operators between fields and surrogates on meshes owe."""

from surrogates.testing.check_surrogate import Report, check_surrogate
from surrogates.testing.field_check import check, check_operator
from surrogates.testing.field_claims import Claims
from surrogates.testing.field_laws import order_of_convergence
from surrogates.testing.law import CONVERGED, EXACT, SINGLE, Law, Tolerance
from surrogates.testing.mesh_check import check_meshes
from surrogates.testing.mesh_claims import MeshClaims

__all__ = [
    "CONVERGED",
    "EXACT",
    "SINGLE",
    "Claims",
    "Law",
    "MeshClaims",
    "Report",
    "Tolerance",
    "check",
    "check_meshes",
    "check_operator",
    "check_surrogate",
    "order_of_convergence",
]
