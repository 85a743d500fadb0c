"""Two hundred seeded mutations of each kind of file: a clear error or valid data, never a bare exception."""

import contextlib
from functools import partial

import ase.io
import numpy as np
from ase.spacegroup import crystal

from surrogates.datasets import Structures, read_structures
from surrogates.physics.errors import SurrogatesError

MUTATIONS = 200


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """Flip, cut, repeat, drop, swap or insert, at a place drawn at random."""
    place = int(random.integers(len(data)))
    length = int(random.integers(1, 1 + min(60, len(data) - place)))
    piece = data[place : place + length]
    noise = random.choice([b"nan", b"-1", b"1e400", b"\xff\x00", b"\n", b'"', b"999999999", b"  ", b"0", b"loop_\n"])
    made = [
        data[:place] + bytes([data[place] ^ (1 << int(random.integers(8)))]) + data[place + 1 :],
        data[:place],
        data[:place] + piece + data[place:],
        data[:place] + data[place + length :],
        data[:place] + piece[::-1] + data[place + length :],
        data[:place] + bytes(noise) + data[place:],
    ]
    return made[int(random.integers(len(made)))]


def valid(data: Structures) -> bool:
    return len(data) > 0 and all(
        np.isfinite(s.positions).all() and s.positions.shape == (len(s), 3) and min(s.numbers) > 0 for s in data
    )


def survive(path, whole: bytes, read, seed: int, mutations: int = MUTATIONS) -> int:
    """Number of mutations that ended in a clear error; every other one must have given valid data."""
    random = np.random.default_rng(seed)
    refused = 0
    for _ in range(mutations):
        path.write_bytes(mutated(whole, random))
        try:
            assert valid(read(path))
        except SurrogatesError as error:
            refused += len(str(error)) > 20
    return refused


def test_extxyz(frames, crystals, tmp_path):
    ase.io.write(tmp_path / "x.extxyz", [frames[0], *crystals[:2]])
    whole = (tmp_path / "x.extxyz").read_bytes()
    assert survive(tmp_path / "x.extxyz", whole, read_structures, seed=1) > 40


def test_extxyz_with_bad_frames_put_aside(frames, crystals, tmp_path):
    ase.io.write(tmp_path / "x.extxyz", [frames[0], *crystals[:2]])
    whole = (tmp_path / "x.extxyz").read_bytes()
    read = partial(read_structures, bad="quarantine")
    assert survive(tmp_path / "x.extxyz", whole, read, seed=1, mutations=50) < 15


def test_cif(tmp_path):
    quartz = crystal(
        ["Si", "O"], [(0.47, 0, 0.667), (0.413, 0.266, 0.786)], spacegroup=154, cellpar=[4.9, 4.9, 5.4, 90, 90, 120]
    )
    ase.io.write(tmp_path / "x.cif", quartz)
    whole = (tmp_path / "x.cif").read_bytes()
    assert survive(tmp_path / "x.cif", whole, lambda p: read_structures(p, energy=None, forces=None), seed=2) > 20


def test_our_hdf5(data, tmp_path):
    whole = data.save(tmp_path / "x.h5").read_bytes()
    refused = survive(tmp_path / "x.h5", whole, Structures.open, seed=3)
    assert refused > 0.9 * MUTATIONS


def test_hdf5_behind_a_matching_checksum(data, tmp_path):
    """Someone who repairs the checksum too still meets shape checks, not a crash of ours."""
    import hashlib

    from surrogates.datasets.shard import BLOCK, FORMAT, MAGIC

    def sealed(path):
        content = path.read_bytes()[BLOCK:]
        digest = hashlib.sha256(content).hexdigest()
        header = MAGIC + f"{FORMAT} sha256 {digest} bytes {len(content)}\n".encode()
        path.write_bytes(header.ljust(BLOCK, b"\0") + content)
        return Structures.open(path)

    whole = data[:3].save(tmp_path / "x.h5").read_bytes()
    random = np.random.default_rng(4)
    for _ in range(40):
        place = int(random.integers(BLOCK, len(whole)))
        path = tmp_path / "x.h5"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with contextlib.suppress(SurrogatesError):
            list(sealed(path))
