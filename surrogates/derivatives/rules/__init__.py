"""Rules of operations on Taylor series, a family a file; importing this package enters them."""

from surrogates.derivatives.rules import arithmetic, elementwise, linear, queries

__all__ = ["arithmetic", "elementwise", "linear", "queries"]
