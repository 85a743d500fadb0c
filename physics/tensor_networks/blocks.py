"""Contractions of an MPS with an MPO from either end.

A block is all that lies on one side of a bond, in the basis of the state: one matrix for each channel of the operator.
A Hamiltonian sends most of them through unchanged: the channel of terms that have not begun is the identity between
isometries, and channels that opened on the last site act on that site alone. Neither is ever multiplied; see `Half`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Block:
    """What lies left or right of a bond.

    Args:
        size: of the bond. identity: channel in which nothing acts, if there is one and the tensors are isometries.
        channels: the others that are not zero, (bra, ket) on the left and (ket, bra) on the right.
    """

    size: int
    identity: int | None
    channels: Mapping[int, Tensor]


@dataclass(frozen=True)
class Half:
    """A block and the site next to it, by channels of the bond behind the site.

    Args:
        size, d: of the block's bond, and of the site. identity: as in Block. local: (out, in) operators on the site
            alone. dense: matrices on both, (bra, ket) of (bond, site) on the left, (ket, bra) of (site, bond) right.
    """

    size: int
    d: int
    identity: int | None
    local: Mapping[int, Tensor]
    dense: Mapping[int, Tensor]


class Channels:
    """Which channels of one operator tensor (left, right, out, in) feed which, without the zeros."""

    def __init__(self, w: Tensor) -> None:
        self.w, self.d = w, w.shape[2]
        filled = (w != 0).flatten(2).any(2)
        self.into = [filled[:, c].nonzero().flatten().tolist() for c in range(w.shape[1])]
        self.out_of = [filled[a].nonzero().flatten().tolist() for a in range(w.shape[0])]
        one = torch.eye(self.d, dtype=w.dtype, device=w.device)
        self.ones = {(a, c) for c, rows in enumerate(self.into) for a in rows if torch.equal(w[a, c], one)}

    @cached_property
    def entries(self) -> dict[tuple[int, int], list[tuple[int, int, float | complex]]]:
        """(out, in, value) of the nonzero numbers of each operator."""
        found: dict[tuple[int, int], list[tuple[int, int, float | complex]]] = {}
        for a, c, p, q in (self.w != 0).nonzero().tolist():
            found.setdefault((a, c), []).append((p, q, self.w[a, c, p, q].item()))
        return found


def edge() -> Block:
    """What stands beyond either end of the chain."""
    return Block(1, 0, {})


def left_half(block: Block, site: Channels, like: Tensor) -> Half:
    """The block left of a site together with it; `like` tells precision and device."""
    identity, local, dense = None, {}, {}
    for c, rows in enumerate(site.into):
        rows = [a for a in rows if a == block.identity or a in block.channels]
        if rows == [block.identity]:
            if (block.identity, c) in site.ones and identity is None:
                identity = c
            else:
                local[c] = site.w[rows[0], c]
        elif rows:
            found = torch.zeros(block.size, site.d, block.size, site.d, dtype=like.dtype, device=like.device)
            for a in rows:
                for p, q, value in site.entries[a, c]:
                    target = found[:, p, :, q]
                    if a == block.identity:
                        target.diagonal().add_(value)
                    else:
                        target.add_(block.channels[a], alpha=value)  # type: ignore[arg-type]
            dense[c] = found.view(block.size * site.d, -1)
    return Half(block.size, site.d, identity, local, dense)


def right_half(block: Block, site: Channels, like: Tensor) -> Half:
    """The block right of a site together with it."""
    identity, local, dense = None, {}, {}
    for a, columns in enumerate(site.out_of):
        columns = [c for c in columns if c == block.identity or c in block.channels]
        if columns == [block.identity]:
            if (a, block.identity) in site.ones and identity is None:
                identity = a
            else:
                local[a] = site.w[a, columns[0]]
        elif columns:
            found = torch.zeros(site.d, block.size, site.d, block.size, dtype=like.dtype, device=like.device)
            for c in columns:
                for p, q, value in site.entries[a, c]:
                    target = found[q, :, p, :]
                    if c == block.identity:
                        target.diagonal().add_(value)
                    else:
                        target.add_(block.channels[c], alpha=value)  # type: ignore[arg-type]
            dense[a] = found.view(site.d * block.size, -1)
    return Half(block.size, site.d, identity, local, dense)


def left_block(half: Half, t: Tensor) -> Block:
    """The half in the basis of the site's tensor (left, physical, right), an isometry from the left."""
    flat = t.reshape(-1, t.shape[2])
    bra = flat.mH
    channels = {c: bra @ torch.matmul(o, t).view(flat.shape) for c, o in half.local.items()}
    channels |= {c: bra @ (x @ flat) for c, x in half.dense.items()}
    return Block(t.shape[2], half.identity, channels)


def right_block(half: Half, t: Tensor) -> Block:
    """The half in the basis of the site's tensor, an isometry from the right."""
    flat = t.reshape(t.shape[0], -1)
    bra = flat.mH
    channels = {a: torch.matmul(o, t).view(flat.shape) @ bra for a, o in half.local.items()}
    channels |= {a: (flat @ y) @ bra for a, y in half.dense.items()}
    return Block(t.shape[0], half.identity, channels)
