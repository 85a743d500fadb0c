"""Models in, a surrogate with a spread out."""

from surrogates.uncertainty.conformal import least_structures
from surrogates.uncertainty.domain import Domain
from surrogates.uncertainty.ensemble import Ensemble
from surrogates.uncertainty.field_domain import FieldDomain
from surrogates.uncertainty.field_ensemble import FieldEnsemble
from surrogates.uncertainty.field_spread import FieldSpread
from surrogates.uncertainty.kinds import AnySpread, calibrate, ensemble_of, independent, restore
from surrogates.uncertainty.last_layer import LastLayer, fit_last_layer
from surrogates.uncertainty.mesh_domain import MeshDomain
from surrogates.uncertainty.mesh_ensemble import MeshEnsemble
from surrogates.uncertainty.mesh_spread import MeshSpread, UnlikeTraining
from surrogates.uncertainty.panel_ensemble import PanelEnsemble
from surrogates.uncertainty.panel_spread import PanelSpread
from surrogates.uncertainty.point_ensemble import PointEnsemble
from surrogates.uncertainty.point_spread import PointSpread
from surrogates.uncertainty.spread import Spread

__all__ = [
    "AnySpread",
    "Domain",
    "Ensemble",
    "FieldDomain",
    "FieldEnsemble",
    "FieldSpread",
    "LastLayer",
    "MeshDomain",
    "MeshEnsemble",
    "MeshSpread",
    "PanelEnsemble",
    "PanelSpread",
    "PointEnsemble",
    "PointSpread",
    "Spread",
    "UnlikeTraining",
    "calibrate",
    "ensemble_of",
    "fit_last_layer",
    "independent",
    "least_structures",
    "restore",
]
