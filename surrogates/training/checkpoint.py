"""A trained surrogate as one file, and back.

Format 1: safetensors; tensors `member.K.NAME` (of a trunk that heads share once), `spread.NAME`, `train_rows`; metadata
as `info` prints it. Loading runs no code beyond constructing classes of permitted modules (surrogates.construct).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from surrogates import tensor_file, uncertainty
from surrogates.construct import construct, describe
from surrogates.meshes import mmgp_file
from surrogates.physics.errors import FileError
from surrogates.training import mace_torch
from surrogates.training.fitted import Fitted, plain

FORMAT = 1
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def save(fitted: Fitted, path: str | Path) -> Path:
    """Write `fitted`, atomically. Raises FileError for parts that cannot be described, a full disk, a wrong suffix."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise FileError(
            f"{path}: a checkpoint's name ends in .safetensors; use {path.with_suffix('.safetensors').name}"
        )
    tensors: dict[str, Tensor] = {}
    for k, member in enumerate(fitted.members):
        tensors |= {f"member.{k}.{name}": t for name, t in member.state_dict().items()}
    metadata = _metadata(fitted)
    if fitted.spread is not None:
        found, metadata["spread"] = fitted.spread.state()
        tensors |= {f"spread.{name}": t for name, t in found.items()}
    if fitted.train_rows is not None:
        tensors["train_rows"] = fitted.train_rows
    tensor_file.write(path, tensors, metadata)
    return path


def _metadata(fitted: Fitted) -> dict[str, Any]:
    return {
        "kind": "surrogate",
        "format": FORMAT,
        "members": [describe(member) for member in fitted.members],
        "card": _card(fitted.members[0]),
        "dtype": str(fitted.dtype).removeprefix("torch."),
        "provenance": plain(fitted.provenance),
        "history": plain(fitted.history),
        "scores": plain(fitted.scores),
        "spread": None,
    }


def load(path: str | Path, *, trust: Sequence[str] = (), head: str | None = None) -> Any:
    """Read a checkpoint (a Fitted, or an MMGP), or a `.model` file of mace-torch, onto the CPU; `head`: one of several.

    `trust` names modules outside `surrogates` whose classes the file may construct: for files you wrote or reviewed.
    Raises FileError for a missing, damaged or foreign file, TrustError for a class that may not be named.
    """
    if mace_torch.is_archive(path):
        return mace_torch.load(path, head=head)
    tensors, metadata = tensor_file.read(path)
    if metadata.get("kind") == mmgp_file.KIND:
        return mmgp_file.restored(path, tensors, metadata)
    _known(path, metadata)
    try:
        fitted = _build(tensors, metadata, tuple(trust))
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise _unfit(path, metadata, error) from error
    return fitted if head is None else fitted.head(head)


def info(path: str | Path) -> str:
    """A model card: what the file holds, where it came from, how good it was, as text. Raises FileError as `load`."""
    if mace_torch.is_archive(path):
        return _described(Path(path).name, _metadata(mace_torch.load(path)))
    metadata = tensor_file.read(path)[1]
    known = metadata.get("kind") == mmgp_file.KIND
    if not known:
        _known(path, metadata)
    try:
        return (mmgp_file.card if known else _described)(Path(path).name, metadata)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _unfit(path, metadata, error) from error


def _described(name: str, metadata: dict[str, Any]) -> str:
    facts = metadata["provenance"]
    lines = [f"{name}: surrogates checkpoint, format {metadata['format']}, {metadata['dtype']}"]
    lines += _spec_lines(metadata["members"][0], 0)
    if len(metadata["members"]) > 1:
        lines.append(f"ensemble of {len(metadata['members'])} such members")
    lines += [f"{key}: {_short(value)}" for key, value in metadata["card"].items()]
    lines += _origin_lines(facts)
    lines.append(f"training: seeds {facts['seeds']}, steps {facts['steps']}, {_short(_given(facts['plan']))}")
    if facts.get("stopped"):
        lines.append(f"stopped early: {facts['stopped']}")
    lines.append(f"spread: {_short(metadata['spread']) if metadata['spread'] else 'none; .calibrate(data) gives one'}")
    lines += [f"scores on {name}: {_short(value)}" for name, value in metadata["scores"].items()]
    lines += [f"paper: {paper}" for paper in facts["papers"]]
    lines.append(f"versions: {_short(facts['versions'])}")
    return "\n".join(lines)


def _origin_lines(facts: dict[str, Any]) -> list[str]:
    """What it was trained on, from where it started, and how much of it trained."""
    if "source" in facts:
        lines = [f"converted from {_short(facts['source'])}"]
    else:
        lines = [f"training data: {facts['data']['rows']} rows, hash {facts['data']['hash']}"]
    if "labels" in facts["data"]:
        lines.append(f"labels: {_short(facts['data']['labels'])}")
    if "head" in facts:
        lines.append(f"head {facts['head']!r} of {', '.join(facts['data'].get('heads', {}))}, trained together")
    if "parameters" in facts:
        counts = facts["parameters"]
        lines.append(f"parameters: {counts['trained']} trained, {counts['frozen']} frozen (freeze={counts['freeze']})")
    if "start" in facts:
        lines.append(f"fine-tuned: {_short(facts['start'])}")
    if "parent" in facts:
        data, source = facts["parent"].get("data", {}), facts["parent"].get("source")
        known = _short(source) if source else f"a model of {data.get('rows')} rows, hash {data.get('hash')}"
        lines.append(f"fine-tuned from {known}")
    return lines


def _build(tensors: dict[str, Tensor], metadata: dict[str, Any], trust: tuple[str, ...]) -> Fitted:
    if not metadata["members"]:
        raise ValueError("it has no members")
    with torch.random.fork_rng(devices=[]):  # constructing draws random weights that are overwritten at once
        members = tuple(construct(spec, trust) for spec in metadata["members"])
    for k, member in enumerate(members):
        member.to(dtype=_DTYPES[metadata["dtype"]])
        member.load_state_dict(_below(f"member.{k}", tensors))
        member.eval()
    spread = None
    if metadata["spread"] is not None:
        spread = uncertainty.restore(members, _below("spread", tensors), metadata["spread"])
    return Fitted(
        members,
        metadata["provenance"],
        tuple(metadata["history"]),
        spread=spread,
        scores=metadata["scores"],
        train_rows=tensors.get("train_rows"),
    )


def _known(path: str | Path, metadata: dict[str, Any]) -> None:
    if metadata.get("kind") != "surrogate":
        raise FileError(
            f"{path} holds no surrogate but {metadata.get('kind', 'something unknown')!r}; load what .save() wrote"
        )
    if metadata.get("format") != FORMAT:
        raise FileError(f"{path} has format {metadata.get('format')}; update surrogates: this version reads {FORMAT}")


def _unfit(path: str | Path, metadata: dict[str, Any], error: Exception) -> FileError:
    facts = metadata.get("provenance")
    versions = facts.get("versions") if isinstance(facts, dict) else None
    writer = versions.get("surrogates") if isinstance(versions, dict) else None
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return FileError(
        f"{path} does not fit this version of surrogates: {reason}; it was written by version {writer or 'unknown'}: "
        "install that one, or train anew"
    )


def _card(task: Any) -> dict[str, Any]:
    return plain(task.card()) if hasattr(task, "card") else {}


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(prefix + ".")}


def _spec_lines(spec: dict[str, Any], indent: int) -> list[str]:
    own = {k: v for k, v in spec.items() if k != "use" and not _is_spec(v) and not _named(v) and v is not None}
    lines = [f"{'  ' * indent}{spec['use']} {_short(own)}".rstrip()]
    for value in spec.values():
        for inner in value if isinstance(value, list) else [value]:
            if _is_spec(inner):
                lines += _spec_lines(inner, indent + 1)
        for name, inner in _named(value).items():
            first, *rest = _spec_lines(inner, indent + 2)
            lines += [f"{'  ' * (indent + 1)}{name}: {first.strip()}", *rest]
    return lines


def _named(value: Any) -> dict[str, Any]:
    """Specs by name, such as the heads of a task; {} for anything else."""
    specs = isinstance(value, dict) and value and "use" not in value and all(map(_is_spec, value.values()))
    return value if specs else {}


def _is_spec(value: Any) -> bool:
    return (isinstance(value, dict) and "use" in value) or (isinstance(value, list) and any(map(_is_spec, value)))


def _given(plan: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plan.items() if value is not None}


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}=({_short(v)})" if isinstance(v, dict) else f"{k}={_short(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(_short(v) for v in value[:12]) + (", ..." if len(value) > 12 else "") + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
