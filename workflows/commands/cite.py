"""`surrogates cite`: BibTeX of the methods that a run used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from surrogates.physics.errors import FileError
from surrogates.workflows.commands.listing import papers
from surrogates.workflows.files import read_json

_PROGRAMS = {
    "tblite": (
        "GFN2-xTB",
        "@article{gfn2xtb,\n  title = {{GFN2-xTB -- An Accurate and Broadly Parametrized Self-Consistent "
        "Tight-Binding Quantum Chemical Method}},\n  author = {Bannwarth, Christoph and Ehlert, Sebastian and Grimme, "
        "Stefan},\n  journal = {J. Chem. Theory Comput.},\n  volume = {15},\n  pages = {1652--1671},\n  year = {2019},"
        "\n  doi = {10.1021/acs.jctc.8b01176}\n}",
    ),
    "pyscf": (
        "PySCF",
        "@article{pyscf,\n  title = {{Recent developments in the PySCF program package}},\n  author = {Sun, "
        "Qiming and others},\n  journal = {J. Chem. Phys.},\n  volume = {153},\n  pages = {024109},\n  year = {2020},"
        "\n  doi = {10.1063/5.0006074}\n}",
    ),
    "ase": (
        "ASE",
        "@article{ase,\n  title = {{The atomic simulation environment -- a Python library for working with "
        "atoms}},\n  author = {Larsen, Ask Hjorth and others},\n  journal = {J. Phys.: Condens. Matter},\n  volume = "
        "{29},\n  pages = {273002},\n  year = {2017},\n  doi = {10.1088/1361-648X/aa680e}\n}",
    ),
}
_TITLE = re.compile(
    r"(?:Papers?:\s*)?(?!Papers?:)(?P<title>\w.{9,}?)\s*\(?(?:arXiv:\s?(?P<arxiv>[\w./-]*\d)|(?:doi:\s?)?(?P<doi>10\.\d{4,}/[^\s),;]+))"
)


def print_citations(run_directory: Path) -> None:
    """Print an entry for each paper behind the modules and programs of a run."""
    used = _identities(run_directory)
    if not used:
        raise FileError(f"{run_directory} has no finished step; give a run directory such as runs/ethanol")
    modules = {name for identity in used for name in identity["sources"]}
    programs = {name for identity in used for name in identity["versions"]}
    for entry in _once(bibtex(module, line) for module, line in papers() if module in modules):
        print(entry)
    for name, (_, entry) in _PROGRAMS.items():
        if name in programs:
            print(entry)


def _once(entries: Iterable[str | None]) -> list[str]:
    """Entries without repetition: several modules may name one paper, then the longest title wins."""
    best: dict[str, str] = {}
    for entry in filter(None, entries):
        number = entry.splitlines()[2]
        best[number] = max(best.get(number, ""), entry, key=lambda text: len(text.splitlines()[1]) if text else 0)
    return list(best.values())


def bibtex(module: str, line: str) -> str | None:
    """An entry from a docstring line `Title (arXiv:1234.56789)`; None where no title stands before the number."""
    match = _TITLE.match(line)
    if match is None:
        return None
    where = (
        f"eprint = {{{match['arxiv']}}},\n  archiveprefix = {{arXiv}}"
        if match["arxiv"]
        else f"doi = {{{match['doi']}}}"
    )
    return f"@misc{{{module.rsplit('.', 1)[1]},\n  title = {{{{{match['title'].strip(' ,(')}}}}},\n  {where}\n}}"


def _identities(run_directory: Path) -> list[dict[str, dict[str, str]]]:
    found = [read_json(path.parent / "unit.json") for path in sorted(run_directory.glob("**/done.json"))]
    return [unit["identity"] for unit in found if unit and "identity" in unit]
