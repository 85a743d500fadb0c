"""Training steps of neuraloperator's FNO and TFNO; run by fno_step.py, in an environment of its own.

Arguments: dense, tucker, cp or tt; rank; batch; points; modes; width. Then one command a line on the standard input:
"step N", "rss", "live", "save PATH"; each is answered by one line "answer ...".
"""

import resource
import sys
import time
import warnings

import torch

warnings.filterwarnings("ignore")


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
    from neuralop.models import FNO, TFNO

    torch.set_num_threads(1)
    torch.manual_seed(0)
    kind, rank = sys.argv[1], float(sys.argv[2])
    batch, points, modes, width = map(int, sys.argv[3:])
    imported = resident()
    given = {"n_modes": (2 * modes, 2 * modes - 2), "in_channels": 1, "out_channels": 1, "hidden_channels": width}
    factors = {"factorization": kind, "rank": rank, "implementation": "factorized"}
    net = FNO(**given) if kind == "dense" else TFNO(**given, **factors)
    count = sum(p.numel() * (2 if p.is_complex() else 1) for p in net.parameters())
    values = torch.randn(batch, 1, points, points)

    def step():
        net.zero_grad(set_to_none=True)
        net(values).square().mean().backward()

    print("answer", count, flush=True)
    for line in sys.stdin:
        what, *more = line.split()
        if what == "step":
            start = time.process_time()
            for _ in range(int(more[0])):
                step()
            print("answer", time.process_time() - start, flush=True)
        elif what == "rss":
            print("answer", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - imported, flush=True)
        elif what == "live":
            print("answer", live_peak(step), flush=True)
        elif what == "save":
            with torch.no_grad():
                state = {k: v for k, v in net.state_dict().items() if torch.is_tensor(v)}
                torch.save({"state": state, "values": values[:2], "result": net(values[:2])}, more[0])
            print("answer 0", flush=True)


main()
