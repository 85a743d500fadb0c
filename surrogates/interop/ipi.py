"""i-PI: a surrogate as a client of its socket protocol, which ASE's SocketIOCalculator and others speak as server too.

    from surrogates.interop.ipi import connect
    connect("mine.safetensors", atoms, unix="water")             # i-PI: <ffsocket mode='unix'><address>water</address>

It answers until the server ends. Path integrals have one client or more: i-PI hands its beads to as many as connect.
"""

from __future__ import annotations

import time
from typing import Any

from surrogates.calculator import SurrogateCalculator
from surrogates.physics.errors import DomainError
from surrogates.simulation.arguments import is_number
from surrogates.simulation.structures import as_atoms

_RETRY = 0.2  # s between attempts to reach a server that is starting


def connect(
    model: Any,
    atoms: Any,
    *,
    unix: str | None = None,
    host: str = "localhost",
    port: int = 31415,
    wait: float | int = 60.0,
    **options: Any,
) -> None:
    """Send energy, forces and virial of what the server sends, until it closes or says EXIT.

    Args:
        model: whatever `SurrogateCalculator` takes; `options` are its other arguments (device, dtype, skin).
        atoms: a structure of the server's atoms in its order, as the protocol tells positions and cell only; elements,
            periodic directions, charge and spin come from here.
        unix: the name of a UNIX socket, /tmp/ipi_NAME; otherwise `host` and `port` are taken.
        wait: seconds to wait for a server that is not there yet.
    A structure that is not periodic in all directions sends no virial (zeros). DomainError where no server answers.
    """
    structures = as_atoms(atoms)
    if len(structures) != 1:
        raise DomainError(f"{len(structures)} structures for one server; a client has one")
    if not is_number(wait) or wait < 0:
        raise DomainError(f"wait={wait!r} s; give 0 or more seconds to wait for the server")
    mine = structures[0]
    mine.calc = SurrogateCalculator(model, **options)
    client = _client(unix, host, port, time.monotonic() + wait)
    try:
        client.run(mine, use_stress=bool(mine.pbc.all()))
    finally:
        client.close()


def _client(unix: str | None, host: str, port: int, until: float) -> Any:
    from ase.calculators.socketio import SocketClient

    while True:
        try:
            return SocketClient(host=host, port=port, unixsocket=unix)
        except OSError as error:
            if time.monotonic() >= until:
                where = f"/tmp/ipi_{unix}" if unix else f"{host}:{port}"
                raise DomainError(f"no server answers at {where} ({error}); start i-PI first or raise wait=") from error
            time.sleep(_RETRY)
