"""Tensor products of features with harmonics: time, expressivity and error of each, e3nn's beside them.

    python benchmarks/tensor_products.py --figure docs/tensor_products.png

Natural irreps up to degree L for features, harmonics and outputs, weights for every edge. One thread; turns alternate,
so that a busy machine slows all alike, and the smallest CPU time of a turn counts (on CUDA the time until the device is
done). What a product can express differs: see the table of expressivity, after The Price of Freedom (arXiv:2506.13523).

`e3nn uvu` is o3.TensorProduct with the paths and weights of ClebschGordan; `e3nn uvw` is FullyConnected, shared weights
that mix channels, so another and larger map. `fused sum` is EdgeConvolution as models use it by themselves, with its
gather, sum over 16 neighbours and channel mixing in the time of one edge; `SO2 sum` is the same with SO2. Its code
is compiled on first use, which takes minutes beyond degree 4: --fused says up to which degree it is tried.
"""

import argparse
import math
import platform
import time
from pathlib import Path

import torch
from e3nn import __version__ as e3nn_version
from e3nn import o3

from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.equivariance.irreps import ChannelIrreps, natural_irreps
from surrogates.equivariance.products import SO2, ClebschGordan, CPDecomposed, Gaunt, SphericalGrid
from surrogates.equivariance.products.expressivity import allowed, expressivity, interactions, matrix_couplings

TURNS, NEIGHBOURS = 5, 16
COLOURS = {
    "ClebschGordan": "C0", "SO2": "C1", "SO2 |m|<=2": "C8", "Gaunt": "C2", "SphericalGrid": "C3", "CPDecomposed": "C4",
    "e3nn uvu": "C5", "e3nn uvw": "C6", "fused sum": "black", "SO2 sum": "C7",
}  # fmt: skip
REFERENCE = "ClebschGordan"


def ours(l_max: int, channels: int) -> dict:
    """Our products of features and harmonics up to `l_max`."""
    spaces = ChannelIrreps(natural_irreps(l_max), channels), l_max, natural_irreps(l_max)
    found = {
        "ClebschGordan": ClebschGordan(*spaces),
        "SO2": SO2(*spaces),
        "Gaunt": Gaunt(*spaces),
        "SphericalGrid": SphericalGrid(*spaces),
        "CPDecomposed": CPDecomposed(*spaces),
    }
    if l_max > 2:
        found["SO2 |m|<=2"] = SO2(*spaces, m_max=2)
    return found


def theirs(l_max: int, channels: int) -> dict:
    """e3nn's products of the same."""
    features = o3.Irreps([(channels, (l, (-1) ** l)) for l in range(l_max + 1)])
    harmonics = o3.Irreps.spherical_harmonics(l_max)
    paths = [
        (l1, l2, l3)
        for l3 in range(l_max + 1)
        for l1 in range(l_max + 1)
        for l2 in range(abs(l1 - l3), min(l1 + l3, l_max) + 1)
        if (l1 + l2 + l3) % 2 == 0
    ]
    out = o3.Irreps([(channels, (l3, (-1) ** l3)) for _, _, l3 in paths])
    instructions = [(l1, l2, i, "uvu", True) for i, (l1, l2, _) in enumerate(paths)]
    uvu = o3.TensorProduct(features, harmonics, out, instructions, shared_weights=False, internal_weights=False)
    return {"e3nn uvu": uvu, "e3nn uvw": o3.FullyConnectedTensorProduct(features, harmonics, features)}


def calls(l_max: int, given: argparse.Namespace, channels: int, edges: int, like: torch.Tensor) -> dict:
    """By name: a function that computes messages, and the leaves to differentiate by."""
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(like).requires_grad_()

    unit = torch.nn.functional.normalize(torch.randn(edges, 3, generator=generator), dim=1)
    y = o3.spherical_harmonics(list(range(l_max + 1)), unit, False, "component").to(like).requires_grad_()
    x = leaf(edges, (l_max + 1) ** 2, channels)
    flat = torch.cat([part.transpose(1, 2).flatten(1) for part in x.split(
        [2 * l + 1 for l in range(l_max + 1)], dim=1)], dim=1).detach().requires_grad_()  # fmt: skip
    found = {}
    products = ours(l_max, channels)
    for name, product in products.items():
        product.to(like)
        w = leaf(edges, product.n_weights)
        found[name] = (lambda product=product, w=w: product(x, y, w)), [x, y, w]
    for name, product in theirs(l_max, channels).items():
        product.to(like)
        if name == "e3nn uvu":
            w = leaf(edges, product.weight_numel)
            found[name] = (lambda product=product, w=w: product(flat, y, w)), [flat, y, w]
        else:
            found[name] = (lambda product=product: product(flat, y)), [flat, y, *product.parameters()]
    atoms = max(1, edges // NEIGHBOURS)
    h = leaf((l_max + 1) ** 2, atoms, channels)
    pairs = torch.stack([torch.arange(edges) * atoms // edges, torch.randint(atoms, (edges,), generator=generator)])
    pairs = pairs.to(like.device)
    for name, product in {"fused sum": None, "SO2 sum": products["SO2"]}.items():
        if l_max <= given.fused or product is not None:
            spaces = ChannelIrreps(natural_irreps(l_max), channels), l_max, natural_irreps(l_max)
            block = EdgeConvolution(*spaces, product=product).to(like)
            w = leaf(edges, block.n_weights)
            found[name] = (lambda block=block, w=w: block(h, y, w, pairs)), [h, y, w]
    return found


def now(device: torch.device) -> float:
    """Seconds: CPU time, or on a GPU wall time after it has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def measure(found: dict, edges: int, device: torch.device) -> dict[str, tuple[float, float]]:
    """µs an edge: forward, and forward with gradients."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(TURNS):
        for name, (call, leaves) in found.items():
            start = now(device)
            out = call()
            middle = now(device)
            torch.autograd.grad(out, leaves, torch.ones_like(out))  # not of a sum, whose gradient has no strides
            times[name].append((middle - start, now(device) - start))
    scale = 1e6 / edges
    return {name: tuple(scale * min(t[k] for t in turns[1:]) for k in (0, 1)) for name, turns in times.items()}


def slope(times: dict[int, float]) -> float:
    """Of log time over log L, for L >= 3, where overheads count less."""
    points = [(math.log(l), math.log(t)) for l, t in times.items() if l >= 3]
    if len(points) < 2:
        return math.nan
    x, y = (sum(p[k] for p in points) / len(points) for k in (0, 1))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def print_times(table: dict[int, dict], title: str) -> None:
    """Times, ratios and slopes as a table."""
    print(f"\n{title}; µs an edge, in brackets the ratio to {REFERENCE}")
    for part, k in (("forward", 0), ("forward and gradients", 1)):
        print(f"{part:22s}" + "".join(f"{f'L={l}':>16s}" for l in table) + f"{'slope':>8s}")
        for name in COLOURS:
            times = {l: row[name][k] for l, row in table.items() if name in row}
            if not times:
                continue
            cells = ""
            for l in table:
                cells += f"{times[l]:9.1f} ({times[l] / table[l][REFERENCE][k]:4.2f})" if l in times else " " * 16
            print(f"  {name:20s}{cells}{slope(times):8.1f}")
    for name in COLOURS:
        if name not in (REFERENCE, "SO2 sum", "fused sum"):
            faster = [l for l, row in table.items() if name in row and row[name][1] < row[REFERENCE][1]]
            print(f"{name} is faster than {REFERENCE}, gradients included, at L = {faster or 'none of these'}")
    both = [l for l, row in table.items() if "fused sum" in row and row["SO2 sum"][1] < row["fused sum"][1]]
    print(f"with sums over neighbours, SO2 is faster than the fused kernel at L = {both or 'none of those tried'}")


def print_expressivity(largest: int) -> dict[int, dict[str, int]]:
    """Dimension of the bilinear maps, by rank of the Jacobian and in closed form, and the triples that interact."""
    print("\nexpressivity (rank of the Jacobian = closed form) / triples (l1, l2, l3) that interact; one channel")
    found: dict[int, dict[str, int]] = {}
    for l_max in range(1, largest + 1):
        found[l_max] = {}
        cells = []
        for name, product in ours(l_max, 1).items():
            exact = product.double()
            closed = exact.expressivity
            measured = expressivity(exact) if l_max <= 4 else closed
            if measured != closed:
                raise SystemExit(f"{name} at L={l_max}: rank {measured}, closed form {closed}")
            triples = len(interactions(exact)) if l_max <= 4 and name != "CPDecomposed" else None
            error = f", error {exact.equivariance_error:.0e}" if name == "CPDecomposed" else ""
            cells.append(f"{name} {closed}" + (f"/{triples}" if triples else "") + error)
            found[l_max][name] = closed
        print(f"  L={l_max}: " + "; ".join(cells))
    matrix = matrix_couplings()
    free = 9 - 2  # weights of three parts of X, Y and the result, less two scales that move between them
    print(f"  3 x 3 matrices (TensorNet), L=2, rotations only: {free}/{len(matrix)} of {len(allowed(2, 2, 2))}")
    return found


def draw(table: dict[int, dict], able: dict[int, dict[str, int]], path: Path, title: str) -> None:
    """Times and expressivity as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), constrained_layout=True)
    for name, colour in COLOURS.items():
        times = {l: row[name][1] for l, row in table.items() if name in row}
        if times:
            style = "--" if name.startswith("e3nn") else ":" if name.endswith("sum") else "-"
            axes[0].plot(list(times), list(times.values()), style, marker="o", ms=3, color=colour, label=name)
            both = [(able[l][name], t) for l, t in times.items() if name in able.get(l, {})]
            if both:
                axes[1].plot(*zip(*both, strict=True), "o-", ms=4, color=colour, label=name)
    axes[0].set(xscale="log", yscale="log", xlabel="L", ylabel="µs an edge, gradients included")
    axes[0].set_xticks(list(table), [str(l) for l in table])
    axes[0].minorticks_off()
    axes[1].set(xscale="log", yscale="log", xlabel="expressivity: dimension of the bilinear maps of one channel")
    axes[0].legend(fontsize=7)
    axes[1].legend(fontsize=7)
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=110)


def cpu() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--degrees", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--channels", type=int, nargs="+", default=[32])
    parser.add_argument("--edges", type=int, nargs="+", default=[512])
    parser.add_argument("--dtypes", nargs="+", default=["float32"], choices=["float32", "float64"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--fused", type=int, default=4, help="highest degree at which the fused kernel is tried")
    parser.add_argument("--figure", type=Path, help="where to draw the first setting")
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(given.device)
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{cpu()}, one thread"
    print(f"{machine}; torch {torch.__version__}, e3nn {e3nn_version}")
    able, first = print_expressivity(max(given.degrees)), True
    for dtype in given.dtypes:
        for channels in given.channels:
            for edges in given.edges:
                like, table = torch.empty(0, dtype=getattr(torch, dtype), device=device), {}
                for l_max in given.degrees:
                    table[l_max] = measure(calls(l_max, given, channels, edges, like), edges, device)
                title = f"{machine}; {dtype}, {channels} channels, {edges} edges"
                print_times(table, title)
                if first and given.figure:
                    draw(table, able, given.figure, title)
                first = False


if __name__ == "__main__":
    main()
