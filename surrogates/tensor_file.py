"""One safetensors file: tensors, JSON beside them, and checksums of both; written whole or not at all.

The checksums show damage, not forgery. Complex tensors are stored as `view_as_real` and listed by name.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from surrogates.physics.errors import FileError


def write(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write atomically: temporary file beside `path`, fsync, rename. Raises FileError when the disk is full."""
    complex_names = sorted(name for name, t in tensors.items() if t.is_complex())
    plain = {name: _plain(t) for name, t in tensors.items()}
    text = canonical({**metadata, "complex": complex_names})
    sums = {"metadata": _sha(text.encode()), "tensors": digest(plain)}
    header = f'{{"metadata":{text},"sha256":{canonical(sums)}}}'
    write_bytes(Path(path), save(plain, {"surrogates": header}))  # one key: their order in a file is random


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON of a file, both checked. Raises FileError for anything missing or damaged."""
    if not isinstance(path, str | Path):
        raise FileError(f"a {type(path).__name__} is no path; give the path of a .safetensors file")
    path = Path(path)
    header, tensors = _open(path)
    metadata, checksum = _metadata(path, header)
    if digest(tensors) != checksum:
        raise _damaged(path, "its tensors do not match their checksum")
    listed = metadata.pop("complex", [])
    return {n: torch.view_as_complex(t) if n in listed else t for n, t in tensors.items()}, metadata


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; raises FileError for what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    except (TypeError, ValueError) as error:
        raise FileError(f"metadata is no JSON: {error}; use plain numbers, text, lists and dicts") from error


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        t = tensors[name]
        sha.update(f"{name}\0{t.dtype}\0{tuple(t.shape)}\0".encode())
        flat = torch.empty(t.numel(), dtype=t.dtype)  # of stride 1 also for a single element that was expanded
        sha.update(flat.copy_(t.detach().reshape(-1)).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` at once: after a crash either the old file or the new one is there."""
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(scratch, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise _unwritable(path, len(content), error) from error


def _plain(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return (torch.view_as_real(tensor) if tensor.is_complex() else tensor).clone().contiguous()


def _open(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if path.is_dir():
        raise FileError(f"{path} is a folder; give the .safetensors or .model file in it")
    if not path.is_file():
        raise FileError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return dict(file.metadata() or {}), found
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise _damaged(path, f"it is no whole safetensors file ({error})") from error


def _metadata(path: Path, header: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The JSON, and the checksum that the tensors should have."""
    if "surrogates" not in header:
        raise FileError(f"{path} was not written by surrogates: it has no such metadata; give a file made with .save()")
    try:
        found = json.loads(header["surrogates"])
        metadata, sums = found["metadata"], found["sha256"]
        text = canonical(metadata)
        sound = isinstance(metadata, dict) and _sha(text.encode()) == sums["metadata"]
        checksum = str(sums["tensors"])
    except (ValueError, KeyError, TypeError, RecursionError, FileError) as error:
        raise _damaged(path, f"its metadata cannot be read ({error})") from error
    if not sound:
        raise _damaged(path, "its metadata does not match its checksum")
    return metadata, checksum


def _damaged(path: Path, reason: str) -> FileError:
    return FileError(f"{path} is damaged: {reason}; copy it again or train anew")


def _unwritable(path: Path, size: int, error: OSError) -> FileError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FileError(f"{path}: the disk is full, {size / 1e6:.1f} MB are needed; make room, nothing was changed")
    return FileError(f"{path} cannot be written: {error.strerror or error}; choose a folder you may write to")


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
