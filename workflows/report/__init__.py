"""The report: results of a run -> one HTML page with a verdict."""

from surrogates.workflows.report.write import write

__all__ = ["write"]
