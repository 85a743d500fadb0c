"""Files stay small enough to be read, and nothing that a stranger may not know stands in them."""

import re
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [p for floor in ("physics", "datasets", "surrogates", "workflows") for p in (ROOT / floor).rglob("*.py")]


def test_no_file_is_over_500_lines():
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := p.read_text(encoding="utf-8").count("\n")) > 500}
    assert not long


def test_the_median_file_is_short():
    lines = [p.read_text(encoding="utf-8").count("\n") for p in SOURCES if p.name != "__init__.py"]
    assert statistics.median(lines) <= 200


def test_no_path_of_one_machine():
    home = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/\w+")
    for path in SOURCES:
        assert not home.search(path.read_text(encoding="utf-8")), path
