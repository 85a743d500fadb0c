"""Scientific-simulation surrogates: from reference physics to a model one may trust.

This file alone loads lazily, so that `import surrogates` costs nothing; every sub-package imports eagerly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "SurrogateCalculator": "surrogates.calculator",
    "load": "surrogates.training.checkpoint",
    "run": "surrogates.workflows.runner",
    "check": "surrogates.testing.field_check",
}
__all__ = ["SurrogateCalculator", "__version__", "check", "load", "run"]

if TYPE_CHECKING:
    from surrogates.calculator import SurrogateCalculator
    from surrogates.testing.field_check import check
    from surrogates.training.checkpoint import load
    from surrogates.workflows.runner import run


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'surrogates' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
