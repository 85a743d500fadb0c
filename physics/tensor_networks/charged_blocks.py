"""Blocks and halves by charge: `blocks` with a matrix for every charge instead of one with zeros."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.tensor_networks.blocks import Channels
from surrogates.physics.tensor_networks.charges import Blocks, Bond, Fused

Entries = list[tuple[int, int, float | complex]]
"""(out, in, value) of an operator on a site."""


@dataclass(frozen=True)
class ChargedBlock:
    """As `blocks.Block`; channels by the ket's charge, the bra's being greater by the channel's."""

    bond: Bond
    identity: int | None
    channels: dict[int, Blocks]


@dataclass(frozen=True)
class ChargedHalf:
    """As `blocks.Half`; `local` as nonzero (out, in, value)."""

    fused: Fused
    identity: int | None
    local: dict[int, Entries]
    dense: dict[int, Blocks]


def charged_half(
    block: ChargedBlock, site: Channels, fused: Fused, gains: tuple[int, ...], like: Tensor
) -> ChargedHalf:
    """A block and the site next to it, fused; `gains` are the charges of the block's channels."""
    right = fused.sign < 0
    identity, local, dense = None, {}, {}
    for c, others in enumerate(site.out_of if right else site.into):
        others = [a for a in others if a == block.identity or a in block.channels]
        if others == [block.identity]:
            key = (c, others[0]) if right else (others[0], c)
            if key in site.ones and identity is None:
                identity = c
            else:
                local[c] = site.entries[key]
        elif others:
            found: Blocks = {}
            for a in others:
                for out, into, value in site.entries[(c, a) if right else (a, c)]:
                    for charge, size in block.bond.items():
                        _place(found, fused, block, a, gains[a], (charge, size), (out, into, value), like)
            dense[c] = found
    return ChargedHalf(fused, identity, local, dense)


def _place(
    found: Blocks,
    fused: Fused,
    block: ChargedBlock,
    a: int,
    gain: int,
    ket: tuple[int, int],
    entry: tuple[int, int, float | complex],
    like: Tensor,
) -> None:
    (charge, size), (out, into, value) = ket, entry
    matrix = None if a == block.identity else block.channels[a].get(charge)
    if (a != block.identity and matrix is None) or (charge + gain, out) not in fused.place:
        return
    q, start, _ = fused.place[charge, into]
    to, begin, length = fused.place[charge + gain, out]
    if q not in found:
        shape = (fused.sizes[q], fused.sizes[to]) if fused.sign < 0 else (fused.sizes[to], fused.sizes[q])
        found[q] = torch.zeros(shape, dtype=like.dtype, device=like.device)
    if fused.sign < 0:
        target = found[q][start : start + size, begin : begin + length]
    else:
        target = found[q][begin : begin + length, start : start + size]
    if matrix is None:
        target.diagonal().add_(value)
    else:
        target.add_(matrix, alpha=value)


def charged_block(half: ChargedHalf, t: Blocks, gains: tuple[int, ...]) -> ChargedBlock:
    """The half in the basis of the site's isometry, ((left, p), right) on the left, (left, (p, right)) on the right;
    `gains` are the charges of the half's channels."""
    right = half.fused.sign < 0
    channels: dict[int, Blocks] = {}
    for c, blocks in half.dense.items():
        found = {}
        for q, x in blocks.items():
            to = q + gains[c]
            if q in t and to in t:
                found[q] = (t[q] @ x) @ t[to].mH if right else t[to].mH @ (x @ t[q])
        channels[c] = found
    for c, entries in half.local.items():
        found = {}
        for out, into, value in entries:
            for charge in sorted({x.bond for parts in half.fused.parts.values() for x in parts}):
                q, start, size = half.fused.place[charge, into]
                to, begin, _ = half.fused.place[charge, out]
                if q not in t or to not in t:
                    continue
                if right:
                    new = t[q][:, start : start + size] @ t[to][:, begin : begin + size].mH
                else:
                    new = t[to][begin : begin + size].mH @ t[q][start : start + size]
                found[q] = found[q].add_(new, alpha=value) if q in found else new.mul_(value)
        channels[c] = found
    bond = {q: (m.shape[0] if right else m.shape[1]) for q, m in t.items()}
    return ChargedBlock(bond, half.identity, {c: found for c, found in channels.items() if found})
