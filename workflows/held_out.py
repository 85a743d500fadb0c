"""The check that no test row is among the training rows; in a worker, before training."""

from __future__ import annotations

from surrogates.physics.errors import DomainError


def check_separate(train: dict[str, str] | str, others: dict[str, str]) -> None:
    """DomainError when a file of `others` (link or path: file) shares rows with one that is learned from.

    Rows are compared by the hash of their structure, so that another file name or order hides nothing.
    """
    learned = train if isinstance(train, dict) else {"data": train}
    known = {name: set(_rows(path)) for name, path in learned.items()}
    for text, path in others.items():
        rows = _rows(path)
        for name, hashes in known.items():
            shared = [k for k, row in enumerate(rows) if row in hashes]
            if shared:
                raise DomainError(
                    f"{len(shared)} of the {len(rows)} samples of {text} (first: {shared[0]}) are also in the data "
                    f"that is learned from ({name}); scores on them would be flattery. Take independent data, or split "
                    "once and use each part for one thing"
                )


def _rows(path: str) -> list[str]:
    from surrogates.workflows.inputs import read_any

    return [str(row) for row in read_any(path).row_hashes()]
