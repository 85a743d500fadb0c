"""Lagrangian PINN beside networks of (x, t) at equal CPU time: linear convection, and a viscous front that moves.

    python benchmarks/lagrangian_pinn.py --minutes 5                     # convection, beta = 1, 10, 30, 50; three seeds
    python benchmarks/lagrangian_pinn.py --case front --minutes 5        # viscous Burgers, c = 0, 30, 50, 70
    python benchmarks/lagrangian_pinn.py --curvature --minutes 1         # top Hessian eigenvalue against the speed
    python benchmarks/lagrangian_pinn.py --table                         # what the results file holds

Everybody gets the same CPU minutes, Adam first and L-BFGS in double precision after it. The networks of (x, t):
    plain       tanh network, initial state and period as conditions in the loss, as in arXiv:2109.01050
    hard        initial state and period built in (u0 + t net of cos x, sin x, t)
    causal      hard, modified MLP, causal weights (arXiv:2203.07404)
    fourier     hard, 20 harmonics in x and in t as inputs
    curriculum  hard, the speed raised in steps from one run to the next (arXiv:2109.01050)
    sequence    hard, one network after another in ten windows of time (arXiv:2109.01050)
The error is ||u - exact|| / ||exact - c|| on 4000 points that nobody trained on, c = 0 for convection: c would hide the
errors of the front. Runs are appended to a file one by one; those in it are not repeated.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
from torch import nn

from surrogates.pinns.causal import Causal
from surrogates.pinns.hard_boundary import FromInitial, Periodic
from surrogates.pinns.initial_values import FourierSeries
from surrogates.pinns.lagrangian_pinn import LagrangianPINN
from surrogates.pinns.mlp import PINN
from surrogates.pinns.modified_mlp import ModifiedMLP
from surrogates.pinns.problems.burgers_front import burgers_front
from surrogates.pinns.problems.convection import convection
from surrogates.pinns.transport import Transport
from surrogates.tasks.collocation import Collocation
from surrogates.training import Plan, fit
from surrogates.training.polish import polish

TAU = 2 * math.pi
METHODS = ("lagrangian", "plain", "hard", "causal", "fourier", "curriculum", "sequence")
SPEEDS = {"convection": (1, 10, 30, 50), "front": (0, 30, 50, 70)}
WINDOWS, STAGES = 10, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=SPEEDS, default="convection")
    parser.add_argument("--speeds", type=float, nargs="*", help="beta, or c of the front")
    parser.add_argument("--methods", choices=METHODS, nargs="*", default=METHODS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=5.0, help="CPU minutes of each run")
    parser.add_argument("--curvature", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--results", type=Path, default=Path("lagrangian_pinn.jsonl"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.table:
        speeds = given.speeds or SPEEDS[given.case]
        methods = ("lagrangian", "hard") if given.curvature else given.methods
        for seed in range(given.seeds):  # whole seeds one after the other: a run cut short still compares all
            for speed in speeds:
                for method in methods:
                    once(given, {"case": given.case, "speed": float(speed), "method": method, "seed": seed})
    table(given.results)


def once(given: argparse.Namespace, key: dict) -> None:
    """One run, unless the file has it."""
    key = key | {"minutes": given.minutes, "what": "curvature" if given.curvature else "error"}
    if any(key.items() <= row.items() for row in rows(given.results)):
        return
    torch.manual_seed(key["seed"])
    start = time.process_time()
    found = curvatures(key) if given.curvature else solved(key)
    row = key | found | {"cpu_seconds": round(time.process_time() - start, 1), "torch": torch.__version__}
    with given.results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


# the two problems -----------------------------------------------------------------------------------------------------


def problem(case: str, speed: float, *, hard: bool = True):
    return convection(beta=speed, hard=hard) if case == "convection" else burgers_front(c=speed, hard=hard)


def start_of(case: str, speed: float) -> FourierSeries:
    return FourierSeries(constant=speed if case == "front" else 0.0, sines=[1.0])


def equation(case: str, speed: float, initial: nn.Module, until: float) -> Transport:
    """The same equation from another state."""
    if case == "convection":
        return Transport(speed, initial, until=until)
    return Transport(lambda u, x, t: u, initial, nu=0.01, until=until)


# the methods ----------------------------------------------------------------------------------------------------------


def network(method: str, case: str, speed: float) -> nn.Module:
    if method == "lagrangian":
        return LagrangianPINN(initial=start_of(case, speed))
    if method == "plain":
        return PINN(inputs=2, width=50, depth=4)
    inside: nn.Module = PINN(inputs=3, width=50, depth=4)
    if method == "causal":
        inside = ModifiedMLP(inputs=3, width=50, depth=4)
    if method == "fourier":
        waves = Periodic(PINN(inputs=80, width=50, depth=3), axes=[0, 1], periods=[TAU, 2.0], harmonics=20)
        return FromInitial(waves, initial=start_of(case, speed))
    return FromInitial(Periodic(inside, axes=[0], periods=TAU), initial=start_of(case, speed))


def solved(key: dict) -> dict:
    """Train one network by its method for the given minutes, and its error."""
    case, speed, method, minutes = key["case"], key["speed"], key["method"], key["minutes"]
    if method == "sequence":
        return sequence(case, speed, key["seed"], minutes)
    net, size = network(method, case, speed), 1 + speed**2
    if method == "curriculum":
        for k in range(1, STAGES):
            rising = problem(case, speed * k / STAGES)
            if case == "front":
                net.initial = start_of(case, speed * k / STAGES)
            train(net, rising, key["seed"], 0.5 * minutes / STAGES, polished=0.0)
        if case == "front":
            net.initial = start_of(case, speed)
        minutes = minutes * (1 - 0.5 * (STAGES - 1) / STAGES)
    whole = problem(case, speed, hard=method != "plain")
    weights = {"residual": 1 / size, "initial": 1.0, "periodic": 1.0} if method == "plain" else None
    if method == "causal":
        weights = {"residual": 1 / size}
    weighting = Causal(chunks=32) if method == "causal" else None
    share = 0.9 if method == "lagrangian" else 0.5
    fitted = train(net, whole, key["seed"], minutes, polished=share, weights=weights, weighting=weighting)
    said = error(lambda x: fitted.predict(x).values, case, speed)
    if method == "lagrangian":
        said["smallest_stretch"] = fitted.members[0].model.stretch().smallest
    return said


def train(net, whole, seed, minutes, *, polished=0.5, weights=None, weighting=None):
    """Adam on fresh points, then L-BFGS on fixed ones for the share `polished` of the minutes."""
    lagrangian = isinstance(net, LagrangianPINN)
    plan = Plan(minutes=minutes * (1 - polished), batch_size=256, lr=2e-3, weights=weights, clip=None, validations=1)
    task = Collocation(net, whole, weighting=weighting)
    fitted = fit(task, whole.stream(points=25_600, seed=seed), plan=plan, seed=seed)
    if not polished:
        return fitted
    points = whole.points(1000 if lagrangian else 2000, edge=200, seed=100 + seed)
    return polish(fitted, points, steps=10**6, minutes=minutes * polished)


class _End(nn.Module):
    """The state at the end of a window, as the start of the next one."""

    def __init__(self, net: nn.Module, until: float) -> None:
        super().__init__()
        self.net, self.until = copy.deepcopy(net).float().requires_grad_(False), until

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([x[:, :1], torch.full_like(x[:, 1:], self.until)], dim=1))


def sequence(case: str, speed: float, seed: int, minutes: float) -> dict:
    """One network for each window of time, each from where the one before it ends."""
    until, initial, found = 1 / WINDOWS, start_of(case, speed), []
    for _ in range(WINDOWS):
        inside = Periodic(PINN(inputs=3, width=50, depth=4), axes=[0], periods=TAU)
        net = FromInitial(inside, initial=initial, scale=until)
        fitted = train(net, equation(case, speed, initial, until).problem(), seed, minutes / WINDOWS)
        found.append(fitted)
        initial = _End(fitted.members[0].model, until)

    def values(at: torch.Tensor) -> torch.Tensor:
        window = (at[:, 1] * WINDOWS).long().clamp(0, WINDOWS - 1)
        out = torch.zeros(len(at), 1, dtype=at.dtype)
        for k, one in enumerate(found):
            mine = window == k
            local = at[mine] - torch.tensor([0.0, k * until], dtype=at.dtype)
            out[mine] = one.predict(local).values.to(at.dtype)
        return out

    return error(values, case, speed)


def error(values, case: str, speed: float) -> dict:
    """||u - exact|| / ||exact - c||."""
    whole = problem(case, speed)
    at = whole.points(4000, seed=999).interior
    exact = whole.exact(at)
    wave = exact - (speed if case == "front" else 0.0)
    return {"error": float((values(at).to(exact) - exact).norm() / wave.norm())}


# curvature ------------------------------------------------------------------------------------------------------------


def curvatures(key: dict) -> dict:
    """Largest eigenvalue of the loss's Hessian, before and after training, and the same divided by 1 + speed^2."""
    case, speed, method = key["case"], key["speed"], key["method"]
    net, whole = network(method, case, speed).double(), problem(case, speed)
    begin = curvature(net, whole)
    fitted = train(net.float(), whole, key["seed"], key["minutes"], polished=0.9)
    end = curvature(fitted.members[0].model.double(), whole)
    return {"curvature_start": begin, "curvature_end": end} | error(lambda x: fitted.predict(x).values, case, speed)


def curvature(net: nn.Module, whole, iterations: int = 60) -> float:
    """By power iteration with Hessian-vector products, the gradient differentiated once more in reverse."""
    task = Collocation(net, whole).double()
    points = whole.points(1000, seed=7)
    batch = task.collate([points[i] for i in range(len(points))])
    weights = [p for p in net.parameters() if p.requires_grad]
    loss, _ = task.objective(batch, task.default_weights)
    slopes = torch.autograd.grad(loss, weights, create_graph=True)
    generator = torch.Generator().manual_seed(0)
    v = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights]
    value = 0.0
    for _ in range(iterations):
        size = math.sqrt(sum(float(a.square().sum()) for a in v))
        v = [a / size for a in v]
        along = sum((s * a).sum() for s, a in zip(slopes, v, strict=True))
        products = torch.autograd.grad(along, weights, retain_graph=True)
        value = sum(float((p * a).sum()) for p, a in zip(products, v, strict=True))
        v = [p.detach() for p in products]
    return value


# the table ------------------------------------------------------------------------------------------------------------


def table(path: Path) -> None:
    """Markdown: errors in % by seed, methods by speed; then curvatures."""
    known = rows(path)
    for what, wanted in (("error", ["error"]), ("curvature", ["curvature_start", "curvature_end"])):
        for case, minutes in sorted({(r["case"], r["minutes"]) for r in known if r["what"] == what}):
            some = [r for r in known if (r["what"], r["case"], r["minutes"]) == (what, case, minutes)]
            speeds = sorted({r["speed"] for r in some})
            print(f"\n{case}, {minutes:g} CPU minutes a run, {what} by seed")
            print(f"| | {' | '.join(f'{s:g}' for s in speeds)} |\n|---|{'---|' * len(speeds)}")
            for method in METHODS:
                for name in wanted:
                    cells = []
                    for speed in speeds:
                        hits = sorted(
                            (r["seed"], r[name]) for r in some if (r["method"], r["speed"]) == (method, speed)
                        )
                        shown = [f"{100 * v:.3g} %" if what == "error" else f"{v:.3g}" for _, v in hits]
                        cells.append(", ".join(shown) or "-")
                    if any(cell != "-" for cell in cells):
                        label = method if what == "error" else f"{method}, {name.removeprefix('curvature_')}"
                        print(f"| {label} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
