"""Training steps of our FNO and TFNO as a process beside its peer; run by fno_step.py.

Arguments and commands are those of neuralop_step.py, and "floor N": the fast transforms of four layers alone.
"""

import resource
import sys
import time

import torch

from surrogates.operators.tfno import TFNO


def resident():
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def live_peak(step):
    """MiB of tensors that torch had allocated at most during a step, beyond what it had before."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    events = [(e.start_ns(), e.nbytes()) for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = most = 0
    for _, size in sorted(events):
        held += size
        most = max(most, held)
    return most / 2**20


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kind, rank = sys.argv[1], float(sys.argv[2])
    batch, points, modes, width = map(int, sys.argv[3:])
    imported = resident()
    net = TFNO(dim=2, modes=modes, width=width, in_channels=1, out_channels=1, factorization=kind, rank=rank)
    values = torch.randn(batch, 1, points, points)

    def step():
        net.zero_grad(set_to_none=True)
        net(values).square().mean().backward()

    def transforms():
        field = torch.randn(batch, width, points, points)
        for _ in range(8):
            field = torch.fft.irfft2(torch.fft.rfft2(field, norm="forward"), norm="forward")

    print("answer", sum(p.numel() for p in net.parameters()), flush=True)
    for line in sys.stdin:
        what, *more = line.split()
        if what in ("step", "floor"):
            start = time.process_time()
            for _ in range(int(more[0])):
                (step if what == "step" else transforms)()
            print("answer", time.process_time() - start, flush=True)
        elif what == "rss":
            print("answer", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - imported, flush=True)
        elif what == "live":
            print("answer", live_peak(step), flush=True)


main()
