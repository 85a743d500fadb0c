"""Attention over edges as torch_geometric computes it; run by csr_attention.py, in an environment of its own.

Argument: a file of torch.save with "senders", "receivers", "q", "k", "v", "g". The layer is TransformerConv's message
passing (scaled dot products, softmax over edges, weighted sum) without its linear maps. "step N" on the standard input
is answered by the CPU seconds of N forward and backward passes, "save PATH" by writing results and gradients.
"""

import sys
import time
import warnings

import torch

warnings.filterwarnings("ignore")


def main():
    """Answer lines on standard input until they end."""
    from torch_geometric.nn import TransformerConv

    torch.set_num_threads(1)
    given = torch.load(sys.argv[1], weights_only=True)
    edges = torch.stack([given["senders"], given["receivers"]])
    q, k, v = (given[name].requires_grad_() for name in "qkv")
    n, heads, channels = q.shape
    layer = TransformerConv(channels, channels, heads=heads, root_weight=False)

    def step():
        y = layer.propagate(edges, query=q, key=k, value=v, edge_attr=None)
        return y, torch.autograd.grad(y, (q, k, v), given["g"].view_as(y))

    print("answer 0", flush=True)
    for line in sys.stdin:
        what, argument = line.split()
        if what == "step":
            start = time.process_time()
            for _ in range(int(argument)):
                step()
            print("answer", time.process_time() - start, flush=True)
        elif what == "save":
            y, grads = step()
            torch.save([y.detach().view(n, heads, channels), *grads], argument)
            print("answer 0", flush=True)


main()
