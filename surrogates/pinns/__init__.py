"""Physics-informed networks: equation -> field."""

from surrogates.pinns.residual import Residual

__all__ = ["Residual"]
