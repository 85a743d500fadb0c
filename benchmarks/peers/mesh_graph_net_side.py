"""Training steps of one form of MeshGraphNet as a process beside others; run by mesh_graph_net.py.

Arguments: the form and a file with the graph and the weights of our network. Then one command a line on the standard
input: "step N" (CPU seconds), "live" (MiB), "save PATH"; each is answered by one line "answer ...". The forms
"physicsnemo" and "physicsnemo-split" need the environment of requirements-meshes.txt.
"""

import importlib.util
import sys
import time
import types
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")


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


def ours(form, given):
    """A call without arguments of our network, in its own form or with joined inputs."""
    from surrogates.datasets.batch import Csr, MeshGraph
    from surrogates.meshes import message_passing
    from surrogates.meshes.mesh_graph_net import MeshGraphNet

    class JoinedEdgeMLP(message_passing.EdgeMLP):
        def forward(self, edges, nodes, pattern):
            gathered = [nodes.index_select(0, pattern.senders), nodes.index_select(0, pattern.receivers)]
            return self.rest(torch.relu(self.first(torch.cat([edges, *gathered], dim=1))))

    if form == "joined":
        message_passing.EdgeMLP = JoinedEdgeMLP
    net = MeshGraphNet(**given["sizes"], lean=form == "lean")
    net.load_state_dict(given["state"])
    n = len(given["points"])
    pattern = Csr.of_pairs(*given["edges"].flip(0), rows=n)
    graph = MeshGraph(given["points"], {"edges": pattern}, torch.tensor([0, n]))
    return net.eval(), lambda: net(given["values"], graph)


def physicsnemo(form, given):
    """The same of PhysicsNeMo's, with our weights."""
    if importlib.util.find_spec("torchvision"):  # one for another torch cannot register its operators; none is used
        sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")
    from physicsnemo.models.meshgraphnet import MeshGraphNet
    from torch_geometric.data import Data

    sizes, edges, points = given["sizes"], given["edges"], given["points"]
    width = sizes["width"]
    hidden = {f"hidden_dim_{k}": width for k in ("processor", "node_encoder", "edge_encoder", "node_decoder")}
    net = MeshGraphNet(
        sizes["in_channels"],
        sizes["dim"] + 1,
        sizes["out_channels"],
        processor_size=sizes["depth"],
        do_concat_trick=form == "physicsnemo-split",
        **hidden,
    )
    copy(net, given["state"], sizes["depth"], width)
    vectors = points[edges[1]] - points[edges[0]]
    features = torch.cat([vectors, vectors.norm(dim=1, keepdim=True)], dim=1)
    graph = Data(edge_index=edges, num_nodes=len(points))
    return net, lambda: net(given["values"], features, graph)


@torch.no_grad()
def copy(net, state, depth, width):
    """Our weights into theirs: both have them in the order in which they act."""

    def layers(prefix):
        return [v for k, v in state.items() if k.startswith(prefix)]

    def fill(module, values):
        own = [p for m in module.modules() if isinstance(m, nn.Linear | nn.LayerNorm) for p in m.parameters()]
        assert [p.shape for p in own] == [v.shape for v in values], (own, values)
        for p, v in zip(own, values, strict=True):
            p.copy_(v)

    fill(net.edge_encoder, layers("encode_edges.edges."))
    fill(net.node_encoder, layers("encode."))
    fill(net.node_decoder, layers("decode."))
    for k in range(depth):
        edge, node = net.processor.processor_layers[2 * k : 2 * k + 2]
        first, bias, *rest = layers(f"blocks.{k}.edges.edges.")
        mlp = edge.edge_mlp
        if hasattr(mlp, "lin_efeat"):
            for part, value in zip((mlp.lin_efeat, mlp.lin_src, mlp.lin_dst), first.split(width, dim=1), strict=True):
                part.copy_(value)
            mlp.bias.copy_(bias)
            fill(mlp, rest)
        else:
            fill(mlp, [first, bias, *rest])
        first, *rest = layers(f"blocks.{k}.nodes.")
        fill(node, [first.roll(width, dims=1), *rest])  # theirs reads sums first, then nodes


def main():
    """Answer lines on standard input until they end."""
    torch.set_num_threads(1)
    form, path = sys.argv[1:]
    given = torch.load(path, weights_only=True)
    net, call = (physicsnemo if form.startswith("physicsnemo") else ours)(form, given)

    def step():
        net.zero_grad(set_to_none=True)
        call().square().mean().backward()

    print("answer", sum(p.numel() for p in net.parameters()), flush=True)
    for line in sys.stdin:
        what, *more = line.split()
        if what == "step":
            start = time.process_time()
            for _ in range(int(more[0])):
                step()
            print("answer", time.process_time() - start, flush=True)
        elif what == "live":
            print("answer", live_peak(step), flush=True)
        elif what == "save":
            with torch.no_grad():
                torch.save(call(), more[0])
            print("answer 0", flush=True)


main()
