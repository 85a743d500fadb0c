"""Models in, a surrogate with a spread out."""

from surrogates.uncertainty.conformal import calibrate, least_structures
from surrogates.uncertainty.domain import Domain
from surrogates.uncertainty.ensemble import Ensemble
from surrogates.uncertainty.last_layer import LastLayer, fit_last_layer
from surrogates.uncertainty.spread import Spread, restore

__all__ = ["Domain", "Ensemble", "LastLayer", "Spread", "calibrate", "fit_last_layer", "least_structures", "restore"]
