"""Signs of e3nn 0.4.4's Clebsch-Gordan tensors beside ours.

Only tensors with odd l1 + l2 + l3 differ between versions of e3nn, by a sign of the whole tensor. Ours has a positive
first entry there; the table says for which triples that of e3nn 0.4.4, which mace-torch pins, is negative.
"""

from __future__ import annotations

from surrogates.physics.errors import FileError

L_MAX = 7
_NEGATIVE = set(
    """
    212 232 243 254 265 276 313 324 342 353 414 425 434 436 452 454 465 474 476 515 526 535 537 546 562
    564 616 627 634 636 643 647 656 672 674 676 717 735 737 753 755 757
    """.split()  # noqa: SIM905
)


def sign(l1: int, l2: int, l3: int) -> int:
    """+1 or -1: the tensor of e3nn 0.4.4 over ours. FileError beyond degree 7, where no table was made."""
    if max(l1, l2, l3) > L_MAX:
        raise FileError(f"a model with degree {max(l1, l2, l3)} is beyond the table of phases, which ends at {L_MAX}")
    return -1 if (l1 + l2 + l3) % 2 and f"{l1}{l2}{l3}" in _NEGATIVE else 1
