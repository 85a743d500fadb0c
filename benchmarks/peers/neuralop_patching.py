"""neuraloperator's multi-grid patching; run by multigrid_tfno.py, in an environment of its own.

neuralop_patching.py patches FIELDS.npz ANSWERS.npz LEVELS PADDING     windows of every field and what comes back
neuralop_patching.py memory LEVEL PADDING SIDE MODES WIDTH RANK WHAT   peak memory of one step
"""

import contextlib
import io
import json
import resource
import sys
import time

import numpy as np
import torch
from neuralop.models import TFNO
from neuralop.training.patching import MultigridPatching2D


def patching(level: int, padding: float) -> MultigridPatching2D:
    with contextlib.redirect_stdout(io.StringIO()):  # it announces itself
        return MultigridPatching2D(torch.nn.Identity(), levels=level, padding_fraction=padding)


def patches(fields: str, answers: str, levels: int, padding: float) -> None:
    given, found = np.load(fields), {}
    for name in given.files:
        field = torch.from_numpy(given[name])
        for level in range(1, levels + 1):
            try:
                peer = patching(level, padding)
                windows, _ = peer.patch(field, field)
                back, _ = peer.unpatch(windows, field, evaluation=True)
                found[f"{name}/{level}/windows"] = windows.numpy()
                found[f"{name}/{level}/result"] = f"{(back[:, : field.shape[1]] - field).abs().max().item():.0e}"
            except Exception as error:
                found[f"{name}/{level}/result"] = f"{type(error).__name__} {str(error)[:40]}".strip()
    np.savez(answers, **found)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(level: int, padding: float, side: int, modes: int, width: int, rank: float, what: str) -> None:
    tiny = TFNO(n_modes=(4, 4), hidden_channels=2, in_channels=1, out_channels=1, rank=rank)
    tiny(torch.randn(1, 1, 16, 16)).sum().backward()  # what is imported on first use is not the step's memory
    torch.manual_seed(0)
    channels = level + 1
    model = TFNO(n_modes=(2 * modes, 2 * modes), hidden_channels=width, in_channels=channels, out_channels=1, rank=rank)
    peer, field = patching(level, padding), torch.randn(1, 1, side, side)
    before, start = megabytes(), time.process_time()
    with torch.set_grad_enabled(what == "train"):
        windows, _ = peer.patch(field, field)
        out = model(windows)
        if level:
            out, _ = peer.unpatch(out, field, evaluation=True)
        loss = (out - field).square().mean()
        if what == "train":
            loss.backward()
    seconds, numbers = time.process_time() - start, sum(p.numel() * (1 + p.is_complex()) for p in model.parameters())
    said = {"megabytes": round(megabytes() - before), "cpu_s": round(seconds, 1), "windows": list(windows.shape[2:])}
    print(json.dumps({**said, "parameters": numbers}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    command, *rest = sys.argv[1:]
    if command == "patches":
        patches(rest[0], rest[1], int(rest[2]), float(rest[3]))
    else:
        memory(int(rest[0]), float(rest[1]), int(rest[2]), int(rest[3]), int(rest[4]), float(rest[5]), rest[6])
