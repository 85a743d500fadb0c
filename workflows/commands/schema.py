"""`surrogates schema`."""

from __future__ import annotations

import json

from surrogates.workflows.json_schema import workflow_schema


def print_schema() -> None:
    """Print the JSON Schema of workflow files."""
    print(json.dumps(workflow_schema(), indent=1, ensure_ascii=False))
