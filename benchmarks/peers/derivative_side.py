"""Steps of one route to a sum of directional derivatives, as a process of its own; run by derivatives.py.

Arguments: route, order, device, file of weights, points and directions. Commands: "step N" -> seconds of N steps (of
the processor; by the clock on a GPU), "value" -> mean of the result, "gradient" -> norm of that of the first layer,
"rss" -> MiB of the process at its peak beyond its imports, "live" -> MiB of tensors at the peak of a step.
"""

import math
import resource
import sys
import time

import torch
from derivative_routes import ROUTES

from surrogates.derivatives import Exact, SparseDirections, laplacian, propagate
from surrogates.pinns.shared_input import SharedInput


def along_directions(u, x, v, order):
    """Ours: the collapsed series; v are directions, or indices of unit vectors."""
    if not v.is_floating_point():
        v = SparseDirections(v[:, None], torch.ones(len(v), 1, device=x.device))
    return math.factorial(order) * propagate(u, x, v, order, torch.ones(len(v), device=x.device))[-1].squeeze(-1)


def exact_by_coordinates(u, x, v, order):
    return laplacian(u, x, how=Exact(reduced=False)).squeeze(-1)


def exact_in_first_layer(u, x, v, order):
    return laplacian(u, x, how=Exact(reduced=True)).squeeze(-1)


OURS = {f.__name__: f for f in (along_directions, exact_by_coordinates, exact_in_first_layer)}


def network(weights, shared):
    layers = [SharedInput(block=shared[1])] if shared else []
    for k, (weight, bias) in enumerate(weights):
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data, layer.bias.data = weight, bias
        layers += [layer] if k == len(weights) - 1 else [layer, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers)


def resident():
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def live_peak(step, cuda):
    """MiB of tensors that were allocated at most during a step, beyond what there was before."""
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
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
    name, order, device, path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    imported = resident()
    given = torch.load(path, weights_only=True)
    net = network(given["weights"], given["shared"]).to(device)
    x, v = given["x"].to(device), given["v"].to(device)
    route, cuda = (OURS | ROUTES)[name], device == "cuda"

    def step():
        net.zero_grad(set_to_none=True)
        result = route(net, x, v, order)
        result.square().mean().backward()
        return result

    print("answer 0", flush=True)
    for line in sys.stdin:
        what, *more = line.split()
        if what == "step":
            clock = time.perf_counter if cuda else time.process_time
            if cuda:
                torch.cuda.synchronize()
            start = clock()
            for _ in range(int(more[0])):
                step()
            if cuda:
                torch.cuda.synchronize()
            print("answer", clock() - start, flush=True)
        elif what == "rss":
            print("answer", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - imported, flush=True)
        elif what == "live":
            print("answer", live_peak(step, cuda), flush=True)
        elif what == "value":
            print("answer", step().mean().item(), flush=True)
        elif what == "gradient":
            print("answer", next(net.parameters()).grad.norm().item(), flush=True)


main()
