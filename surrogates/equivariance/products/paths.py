"""What every product is given: irreps and degrees, as objects or as the text that files hold; and their paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from e3nn import o3

from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.physics.errors import DomainError

Path = tuple[int, int]  # block of the features, degree of the harmonics
Outputs: TypeAlias = str | Sequence[Irrep] | Sequence[Sequence[int]]

LARGEST_L = 11  # of the harmonics that e3nn has


def read_inputs(inputs: ChannelIrreps | str) -> ChannelIrreps:
    """Irreps with channels, from themselves or from text such as "32x0e + 32x1o"; the order is kept."""
    if isinstance(inputs, ChannelIrreps):
        found = inputs
    else:
        blocks = _read(inputs)
        if len({mul for mul, _ in blocks}) != 1:
            raise DomainError(f"irreps {inputs!r}: all blocks need the same multiplicity, as in '32x0e + 32x1o'")
        found = ChannelIrreps(tuple(irrep for _, irrep in blocks), blocks[0][0])
    if len(set(found.irreps)) != len(found.irreps) or not found.irreps or found.channels < 1:
        raise DomainError(f"irreps '{found}': one block per irrep and at least one of them, as in '32x0e + 32x1o'")
    return found


def read_outputs(outputs: Outputs) -> tuple[Irrep, ...]:
    """(l, parity) of each output, from pairs or from text such as "0e + 1o"."""
    if isinstance(outputs, str):
        found: tuple[Irrep, ...] = tuple(irrep for _, irrep in _read(outputs))
    else:
        found = tuple((int(l), int(p)) for l, p in outputs)
    if not found or len(set(found)) != len(found) or any(l < 0 or p not in (1, -1) for l, p in found):
        raise DomainError(f"outputs {outputs!r}: distinct irreps such as '0e + 1o' or [(0, 1), (1, -1)]")
    return found


def irreps_text(irreps: Sequence[Irrep]) -> str:
    """ "0e + 1o": what a file holds of a list of irreps."""
    return " + ".join(f"{l}{'e' if p == 1 else 'o'}" for l, p in irreps)


def check_degrees(inputs: ChannelIrreps, l_max: int, outputs: Sequence[Irrep]) -> None:
    """DomainError where a degree is beyond what tables exist for."""
    largest = max(l_max, *(l for l, _ in (*inputs.irreps, *outputs)))
    if l_max < 0 or largest > LARGEST_L:
        raise DomainError(
            f"l_max={l_max}, inputs '{inputs}', outputs '{irreps_text(outputs)}': degrees go from 0 to {LARGEST_L}; "
            "give a smaller l_max or smaller irreps"
        )


def paths_to(inputs: ChannelIrreps, l_max: int, output: Irrep, vector_parity: int = -1) -> list[Path]:
    """Blocks of the features and degrees of the harmonics that couple to `output`, block by block.

    `vector_parity` is that of the harmonics of degree 1; it is 1 where reflections do not count.
    """
    l3, p3 = output
    return [
        (k, l2)
        for k, (l1, p1) in enumerate(inputs.irreps)
        for l2 in range(l_max + 1)
        if abs(l1 - l2) <= l3 <= l1 + l2 and p1 * vector_parity**l2 == p3
    ]


def check_reached(inputs: ChannelIrreps, wanted: Sequence[Irrep], reached: Sequence[object]) -> None:
    """DomainError where no path leads to any of the wanted outputs, so that the product would be empty."""
    if not reached:
        raise DomainError(
            f"no path leads from '{inputs}' to any of '{irreps_text(wanted)}': ask for outputs within the degrees and "
            "parities of features times harmonics, or raise l_max"
        )


def naturalness(irrep: Irrep) -> int:
    """+1 for the parity (-1)^l that harmonics have (true tensors), -1 for the other one (pseudotensors)."""
    return irrep[1] * (-1) ** irrep[0]


def _read(text: str) -> list[tuple[int, Irrep]]:
    try:
        blocks = [(mul, (ir.l, ir.p)) for mul, ir in o3.Irreps(text) if mul > 0]
    except (ValueError, TypeError) as error:
        raise DomainError(f"irreps {text!r} cannot be read; write them as '32x0e + 32x1o'") from error
    if not blocks:
        raise DomainError(f"irreps {text!r} are empty; write them as '32x0e + 32x1o'")
    return blocks
