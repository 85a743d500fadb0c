"""DeepONet on the antiderivative: our data, model and loop beside DeepXDE's data classes, network and Model.train.

    python benchmarks/deeponet.py                      # DeepXDE's demo at its own size, three seeds
    python benchmarks/deeponet.py --functions 10000 --unaligned --steps 50000     # the paper's: one y for each u

The configuration of DeepXDE's demo "antiderivative_aligned": 100 sensors, 150 functions, 100 points each, branch
[100, 40, 40], trunk [1, 40, 40], relu, Glorot normal, Adam at 1e-3 for 10,000 full-batch steps, float32; 1000 functions
to test. Both sides start from the same weights and see the same numbers; their steps alternate in blocks, so that a
busy machine slows both alike. Printed are the test errors (mean square, and mean relative L2) and CPU seconds. Ours and
theirs do the same arithmetic, so equal errors say that nothing is lost on the way; --pod adds our POD form.
"""

import argparse
import time

import numpy as np
import torch

from surrogates.blocks.deepxde import deepxde
from surrogates.datasets.generators.ode_operators import antiderivative, triples
from surrogates.operators.deeponet import DeepONet
from surrogates.operators.pod_deeponet import PODDeepONet
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, fit

SENSORS, BLOCK, LR = 100, 500, 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", type=int, default=150)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--unaligned", action="store_true", help="one random point of each function, as in the paper")
    parser.add_argument("--fit", action="store_true", help="train through fit and OperatorMap too")
    parser.add_argument("--pod", type=int, default=0, help="modes of a POD-DeepONet trained through fit")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, DeepXDE {deepxde().__version__}, {given}")
    rows = []
    for seed in range(given.seeds):
        rows.append(run(seed, given))
    print("geometric mean over seeds:")
    for name in rows[0]:
        mse, relative, seconds = (np.array([row[name][k] for row in rows]) for k in range(3))
        print(line(name, np.exp(np.log(mse).mean()), np.exp(np.log(relative).mean()), seconds.mean()))


def run(seed: int, given: argparse.Namespace) -> dict:
    """Errors and CPU seconds of everybody on the functions of one seed: {name: (MSE, relative L2, seconds)}."""
    train, test = data(2 * seed, given.functions, given.unaligned), data(2 * seed + 1, given.test, False)
    torch.manual_seed(seed)
    model = DeepONet(dim=1, sensors=SENSORS, points="ends")
    theirs = peer(train, test, model)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    seconds = {"ours": 0.0, "DeepXDE": 0.0}
    for begin in range(0, given.steps, BLOCK):
        count = min(BLOCK, given.steps - begin)
        start = time.process_time()
        for _ in range(count):
            step(model, optimizer, train)
        seconds["ours"] += time.process_time() - start
        start = time.process_time()
        theirs.train(iterations=count, display_every=10**9, verbose=0)
        seconds["DeepXDE"] += time.process_time() - start
    u, y, s = test
    with torch.no_grad():
        cartesian = DeepONet(dim=1, sensors=SENSORS, points="ends")
        cartesian.net.load_state_dict(theirs.net.state_dict())
        found = {"ours": model.at(u, y)[:, 0], "DeepXDE": cartesian.at(u, y)[:, 0]}
    scores = {name: (*errors(found[name], s), seconds[name]) for name in found}
    if given.fit:
        scores["ours by fit"] = fitted(DeepONet(dim=1, sensors=SENSORS, points="ends"), seed, given)
    if given.pod:
        pod = PODDeepONet(dim=1, sensors=SENSORS, points="ends", modes=given.pod)
        scores[f"POD {given.pod} by fit"] = fitted(pod, seed, given)
    for name, row in scores.items():
        print(f"seed {seed}: {line(name, *row)}", flush=True)
    return scores


def data(seed: int, functions: int, unaligned: bool) -> tuple:
    """u (functions, 1, sensors), y (points, 1) or (functions, 1, 1), s (functions, points), float32."""
    if unaligned:
        drawn = triples(samples=functions, sensors=SENSORS, seed=seed)
        arrays = drawn.u[:, None], drawn.y[..., None], drawn.s
    else:
        fields = antiderivative(functions, SENSORS, seed=seed)
        arrays = fields.stack("u")[:, None], fields.axes[0][:, None], fields.stack("s")[:, 0]
    return tuple(torch.from_numpy(a).float() for a in arrays)


def step(model: DeepONet, optimizer: torch.optim.Optimizer, batch: tuple) -> None:
    """One Adam step on the mean square error of a batch (functions, query points, values)."""
    u, y, s = batch
    found = model.aligned(u, y)[:, 0] if y.ndim == 3 else model.at(u, y)[:, 0]
    loss = torch.nn.functional.mse_loss(found, s)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def peer(train: tuple, test: tuple, model: DeepONet) -> object:
    """DeepXDE's Model on the same numbers, from the same weights."""
    dde = deepxde()
    u, y, s = (a.numpy() for a in train)
    v, z, t = (a.numpy() for a in test)
    sizes = ([SENSORS, 40, 40], [1, 40, 40], "relu", "Glorot normal")
    if y.ndim == 3:
        net = dde.nn.DeepONet(*sizes)
        held = (np.repeat(v[:, 0], len(z), 0), np.tile(z, (len(v), 1)))
        problem = dde.data.Triple((u[:, 0], y[:, 0]), s, held, t.reshape(-1, 1))
    else:
        net = dde.nn.DeepONetCartesianProd(*sizes)
        problem = dde.data.TripleCartesianProd((u[:, 0], y), s, (v[:, 0], z), t)
    net.load_state_dict(model.net.state_dict())
    trained = dde.Model(problem, net)
    trained.compile("adam", lr=LR, verbose=0)
    return trained


def fitted(model: torch.nn.Module, seed: int, given: argparse.Namespace) -> tuple[float, float, float]:
    """The same number of full-batch steps through OperatorMap and fit."""
    train = antiderivative(given.functions, SENSORS, seed=2 * seed)
    test = antiderivative(given.test, SENSORS, seed=2 * seed + 1)
    task = OperatorMap(model, input="u", target="s", loss="mean_squared")
    plan = Plan(epochs=given.steps, batch_size=given.functions, lr=LR, schedule="constant")
    start = time.process_time()
    result = fit(task, train, (), plan=plan, seed=seed)
    seconds = time.process_time() - start
    found = result.predict(test).fields["s"][:, 0]
    return (*errors(found, torch.from_numpy(test.stack("s")[:, 0]).to(found)), seconds)


def errors(found: torch.Tensor, truth: torch.Tensor) -> tuple[float, float]:
    """Mean square error, and mean over functions of the relative L2 error."""
    relative = (found - truth).norm(dim=1) / truth.norm(dim=1)
    return (found - truth).square().mean().item(), relative.mean().item()


def line(name: str, mse: float, relative: float, seconds: float) -> str:
    """A row of the table."""
    return f"{name:<14} test MSE {mse:.2e}, relative L2 {100 * relative:.2f} %, {seconds:.1f} CPU s"


if __name__ == "__main__":
    main()
