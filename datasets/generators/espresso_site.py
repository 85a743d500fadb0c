"""Where this machine has Quantum ESPRESSO: program and pseudopotentials, never named by a workflow file.

The section [espresso] of ASE's configuration (`command`, `pseudo_dir` in ~/.config/ase/config.ini or $ASE_CONFIG_PATH)
comes first; else pw.x of the search path, and $ESPRESSO_PSEUDO or Debian's folder. Standard library only.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from surrogates.physics.errors import DomainError, FileError

DEBIAN = "/usr/share/espresso/pseudo"
PACKAGES = "quantum-espresso quantum-espresso-data"
_ELEMENT = re.compile(r"""element\s*=\s*["']\s*([A-Za-z]{1,2})\s*["']|^\s*([A-Z][a-z]?)\s+Element\b""", re.MULTILINE)
_VERSION = re.compile(r"Program PWSCF\s+v\.?\s*(\S+)")
_HEADER = 65536  # bytes at the head of a UPF file in which its element stands


@dataclass(frozen=True)
class Site:
    """The program with its arguments, run without a shell, and the folder of pseudopotentials."""

    command: tuple[str, ...]
    pseudo_dir: Path


def espresso_site() -> Site:
    """This machine's site; FileError that says what to install where there is none."""
    told = _configured()
    command = tuple(shlex.split(told.get("command", "pw.x")))
    if not command or shutil.which(command[0]) is None:
        named = f"the command {told['command']!r} of ASE's configuration" if "command" in told else "pw.x"
        raise FileError(
            f"Quantum ESPRESSO: {named} is not on this machine. On Debian and Ubuntu: apt-get install {PACKAGES}. "
            "Elsewhere name it as `command` under [espresso] in ~/.config/ase/config.ini"
        )
    folder = Path(told.get("pseudo_dir") or os.environ.get("ESPRESSO_PSEUDO") or DEBIAN).expanduser()
    if not folder.is_dir():
        raise FileError(
            f"Quantum ESPRESSO: there is no folder of pseudopotentials {folder}. On Debian and Ubuntu: apt-get install "
            f"{PACKAGES}. Elsewhere name it as `pseudo_dir` under [espresso] in ~/.config/ase/config.ini"
        )
    return Site(command, folder)


def require(arguments: Mapping[str, Any]) -> None:
    """FileError or DomainError unless the program and every pseudopotential of `arguments` are here."""
    pseudopotentials(espresso_site(), arguments["pseudopotentials"])


def identity(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a label depends on beside the arguments: the program's version, and a hash of each pseudopotential."""
    site = espresso_site()
    files = pseudopotentials(site, arguments["pseudopotentials"])
    return {"pw.x": _version(site.command), "pseudopotentials": {symbol: _hash(path) for symbol, path in files.items()}}


def pseudopotentials(site: Site, names: Mapping[str, str]) -> dict[str, Path]:
    """The file of each element. FileError where one is missing, DomainError where it is another element's."""
    found = {}
    for symbol, name in names.items():
        path = site.pseudo_dir / name
        if not path.is_file():
            own = sorted(p.name for p in site.pseudo_dir.iterdir() if re.match(rf"{symbol}[._-]", p.name, re.I))
            raise FileError(
                f"Quantum ESPRESSO: no pseudopotential {name!r} in {site.pseudo_dir}; of {symbol} it has "
                f"{', '.join(own[:8]) or 'none'}. Copy the file there, or name the folder that has it as `pseudo_dir` "
                "under [espresso] in ~/.config/ase/config.ini"
            )
        stated = _ELEMENT.search(path.read_bytes()[:_HEADER].decode("utf-8", errors="replace"))
        if stated is not None and (stated[1] or stated[2]).lower() != symbol.lower():
            raise DomainError(f"pseudopotential {name} is {stated[1] or stated[2]}'s, but was given for {symbol}")
        found[symbol] = path
    return found


def run_environment() -> dict[str, str]:
    """The environment of pw.x: one thread."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _configured() -> dict[str, str]:
    paths = os.environ.get("ASE_CONFIG_PATH")
    places = paths.split(":") if paths is not None else [str(Path.home() / ".config/ase/config.ini")]
    parser = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())
    try:
        parser.read(places)
        return dict(parser["espresso"]) if parser.has_section("espresso") else {}
    except configparser.Error as error:
        raise FileError(f"ASE's configuration {', '.join(places)} cannot be read: {error}; correct it") from error


@cache
def _version(command: tuple[str, ...]) -> str:
    """What pw.x calls itself when it is started without input."""
    with tempfile.TemporaryDirectory(prefix="surrogates-") as folder:
        try:
            said = subprocess.run(
                command, cwd=folder, env=run_environment(), stdin=subprocess.DEVNULL, timeout=60, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
            ).stdout  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FileError(f"Quantum ESPRESSO: {shlex.join(command)} cannot be started: {error}") from error
    known = _VERSION.search(said)
    if known is None:
        raise FileError(f"Quantum ESPRESSO: {shlex.join(command)} does not say that it is PWSCF; name pw.x there")
    return known[1]


@cache
def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
