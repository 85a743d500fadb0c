"""What costs nothing stays free: no torch at start-up, and little CPU."""

import json
import resource
import subprocess
import sys

import pytest

_HEAVY = ("torch", "numpy", "ase", "e3nn", "deepxde", "pymatgen", "h5py", "tblite")
_PROBE = """
import json, sys
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + json.dumps([m for m in {heavy} if m in sys.modules]))
"""


def spent(code: str) -> tuple[float, list[str]]:
    """CPU seconds of a new interpreter that runs `code`, the least of three, and the heavy modules it loaded."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        probe = _PROBE.format(code=code, heavy=_HEAVY)
        done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times), json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("import surrogates", 0.3),
        ("from surrogates.workflows.cli import main; main(['--help'])", 0.3),
        ("from surrogates.workflows.cli import main; main(['run', 'ethanol', '--dry-run'])", 0.5),
    ],
    ids=["import", "help", "dry-run"],
)
def test_start_is_cheap_and_loads_no_torch(code, limit):
    seconds, heavy = spent(code)
    assert heavy == []
    assert seconds <= 1.5 * limit  # the limit is for an idle machine; a busy one shares caches and clocks
