"""The page opens offline in a browser, fetches nothing, runs without a failing script, and hostile names stay text."""

import io
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write

from surrogates.workflows.report import figures
from surrogates.workflows.report.page import Molecules, Picture, Section, Table, render, script_json
from surrogates.workflows.report.verdict import Criterion, judge

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def page() -> str:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=400)
    predicted = reference + 0.1 * rng.normal(size=400)
    text = io.StringIO()
    write(text, molecule("CH3CH2OH"), format="xyz", comment=HOSTILE)
    drawn = figures.parity([("force (eV/Å)", reference, predicted)])
    blocks = [
        Table(["set", HOSTILE], [["test", HOSTILE]]),
        Picture(drawn, HOSTILE),
        Molecules(text.getvalue(), HOSTILE),
    ]
    verdict = judge([Criterion(HOSTILE, 0.2, high=0.1, essential=True)])
    return render(HOSTILE, verdict, [Section(HOSTILE, [HOSTILE], blocks)], [(HOSTILE, HOSTILE)])


def test_nothing_hostile_survives(page):
    assert "<script>document" not in page
    assert "<img" not in page


def test_script_data_round_trips():
    data = [HOSTILE, "\u2028", "Å"]
    text = str(script_json(data))
    assert "<" not in text
    assert json.loads(text) == data


def test_nothing_is_fetched(page):
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", markup)
    assert "default-src 'none'" in page


def test_same_data_draws_the_same_figure():
    x = np.linspace(0, 1, 50)
    assert figures.parity([("E", x, x)]) == figures.parity([("E", x, x)])


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian package chromium is not installed")
@pytest.mark.parametrize("width", [1280, 400])
def test_page_opens_in_a_browser(page, tmp_path, width):
    measure = "addEventListener('load', () => { document.title = 'w' + document.documentElement.scrollWidth; });"
    probe = f"<script>{measure}</script>"
    (tmp_path / "report.html").write_text(page.replace("</body>", probe + "</body>"), encoding="utf-8")
    command = f"""chromium --headless --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic
        --no-first-run --disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr
        --user-data-dir={tmp_path / "profile"} --virtual-time-budget=4000 --window-size={width},900 --dump-dom
        file://{tmp_path / "report.html"}""".split()
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)}
    )
    console = [
        line
        for line in ran.stderr.splitlines()
        if "CONSOLE" in line and re.search(r"error|refused|uncaught", line, re.I)
    ]
    assert not console
    (title,) = re.findall(r"<title>(.*?)</title>", ran.stdout)
    shown = int(title.removeprefix("w"))
    assert shown <= max(width, 500)  # headless Chromium makes no window narrower than 500
    assert "<canvas" in ran.stdout
