"""The record of a run: an SQLite file that only the runner opens for writing."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from pathlib import Path
from typing import Any

from surrogates.physics.errors import FileError

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, started REAL, ended REAL, state TEXT, machine TEXT, versions TEXT, workflow TEXT);
CREATE TABLE IF NOT EXISTS units (
    id TEXT PRIMARY KEY, use TEXT, digest TEXT, identity TEXT, state TEXT, started REAL, ended REAL, run INTEGER);
CREATE TABLE IF NOT EXISTS events (time REAL, run INTEGER, unit TEXT, event TEXT, detail TEXT);
"""


class Record:
    """Runs, steps with their identities, and what happened, in `record.sqlite`.

    Times are seconds since 1970. Write-ahead log, synchronous=FULL: what was recorded survives a crash.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "record.sqlite"
        self.run = 0
        self.db = self._opened()

    def begin(self, versions: dict[str, str], workflow: dict[str, Any]) -> None:
        """A new run of this directory; one that was killed is marked as such."""
        self._do("UPDATE runs SET state = 'killed' WHERE state = 'running'")
        row = (time.time(), "running", json.dumps(machine()), json.dumps(versions), json.dumps(workflow))
        self.run = self._do(
            "INSERT INTO runs (started, state, machine, versions, workflow) VALUES (?, ?, ?, ?, ?)", *row
        )

    def end(self, state: str) -> None:
        self._do("UPDATE runs SET ended = ?, state = ? WHERE id = ?", time.time(), state, self.run)
        self.db.close()

    def unit(self, name: str, use: str, digest: str, identity: dict[str, Any], state: str) -> None:
        """A unit starts (state "running"), or was found finished ("kept")."""
        self._do(
            "INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
            *(name, use, digest, json.dumps(identity, sort_keys=True), state, time.time(), self.run),
        )

    def state(self, name: str, state: str) -> None:
        self._do("UPDATE units SET state = ?, ended = ? WHERE id = ?", state, time.time(), name)

    def event(self, unit: str, event: str, detail: str = "") -> None:
        self._do("INSERT INTO events VALUES (?, ?, ?, ?, ?)", time.time(), self.run, unit, event, detail)

    def _do(self, statement: str, *values: Any) -> int:
        try:
            return self.db.execute(statement, values).lastrowid or 0
        except sqlite3.Error as error:
            raise FileError(f"{self.path}: cannot be written ({error}); free space or permit writing there") from error

    def _opened(self) -> sqlite3.Connection:
        try:
            return _connected(self.path)
        except sqlite3.OperationalError as error:
            raise FileError(f"{self.path}: cannot be opened ({error}); free space or permit writing there") from error
        except sqlite3.DatabaseError:  # damaged: kept for whoever wants to look; results do not depend on it
            self.path.replace(self.path.with_suffix(".damaged"))
            return _connected(self.path)


def machine() -> dict[str, Any]:
    """What the times were measured on."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        db.execute("PRAGMA journal_mode=WAL")  # stays a rollback journal where the disk does not allow it
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(_TABLES)
    except sqlite3.Error:
        db.close()
        raise
    return db
