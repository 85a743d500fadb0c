"""The same steps by jax.experimental.jet, compiled by jax.jit, in an environment of its own; run by derivatives.py.

This is what the authors of STDE use (arXiv:2412.00088). Arguments and commands are those of derivative_side.py;
weights, points and directions come as .npz. Directions are a batch axis of jax.vmap that the points do not have.
"""

import os
import resource
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.jet import jet


def resident():
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def main():
    order, path = int(sys.argv[2]), sys.argv[4]
    imported = resident()
    given = np.load(path)
    count = sum(name.startswith("b") for name in given)
    parameters = [(jnp.asarray(given[f"w{k}"]), jnp.asarray(given[f"b{k}"])) for k in range(count)]
    x, v = jnp.asarray(given["x"]), jnp.asarray(given["v"])
    if not jnp.issubdtype(v.dtype, jnp.floating):
        v = jax.nn.one_hot(v, x.shape[1], dtype=x.dtype)

    def u(parameters, point):
        for weight, bias in parameters[:-1]:
            point = jnp.tanh(weight @ point + bias)
        return (parameters[-1][0] @ point + parameters[-1][1])[0]

    def result(parameters, x, v):
        def along(direction, point):
            series = [direction] + [jnp.zeros_like(direction)] * (order - 1)
            return jet(lambda p: u(parameters, p), (point,), (series,))[1][order - 1]

        pairs = jax.vmap(jax.vmap(along, (None, 0)), (0, None))
        return pairs(v, x).sum(0)

    def loss(parameters, x, v):
        found = result(parameters, x, v)
        return (found**2).mean(), found.mean()

    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True))
    state = {}

    def step():
        state["found"] = jax.block_until_ready(compiled(parameters, x, v))

    step()
    print("answer 0", flush=True)
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
            print("answer nan", flush=True)
        elif what == "value":
            print("answer", float(state["found"][0][1]), flush=True)
        elif what == "gradient":
            print("answer", float(jnp.linalg.norm(state["found"][1][0][0])), flush=True)


main()
