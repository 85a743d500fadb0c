"""Routes of plain torch to sums of directional derivatives; run by derivative_side.py, which times them.

Every route takes (u, x, v, order): u from (..., d) to (..., 1), points x (batch, d), directions v (V, d), and returns
the sum over directions of d^order/dt^order u(x + t v), (batch,), with the graph to the parameters of u. Those whose
names end in `_columns` take indices (V,) in place of v, for directions that are unit vectors.
"""

import torch
from torch.func import grad, jacfwd, jacrev, jvp, vmap


def one(u):
    """u as a function of one point (d,) to a scalar, which vmap then takes over the batch."""
    return lambda point: u(point).squeeze(-1)


def derivative(f, v, order):
    """The function point -> d^order f(v, ..., v), by jvp within jvp."""
    for _ in range(order):
        f = (lambda g: lambda point: jvp(g, (point,), (v,))[1])(f)
    return f


def many(per_pair, x, v, chunk=None):
    """Sum over directions of per_pair(direction, point); a direction is no tensor of the batch, so W v is made once."""
    return vmap(vmap(per_pair, (None, 0)), (0, None), chunk_size=chunk)(v, x).sum(0)


def jvp_in_jvp(u, x, v, order):
    return many(lambda w, point: derivative(one(u), w, order)(point), x, v)


def jvp_in_jvp_by_4(u, x, v, order):
    return many(lambda w, point: derivative(one(u), w, order)(point), x, v, 4)


def jvp_in_jvp_loop(u, x, v, order):
    """One direction after the other, the batch whole."""
    result = 0
    for w in v:
        result = result + vmap(derivative(one(u), w, order))(x)
    return result


def jvp_in_jvp_rows(u, x, v, order):
    """As most people write it: a direction becomes a tangent of the whole batch's shape."""
    return vmap(lambda w: derivative(lambda points: u(points).squeeze(-1), w.expand_as(x), order)(x))(v).sum(0)


def jvp_of_grad(u, x, v, order):
    """Forward over reverse: v . jvp(grad)."""
    return many(lambda w, point: derivative(lambda p: grad(one(u))(p) @ w, w, order - 1)(point), x, v)


def jvp_of_grad_columns(u, x, index, order):
    """Forward over reverse along unit vectors; the gradient is made once for all directions by linearity."""
    result = 0
    for i in index:
        e = torch.zeros(x.shape[1], dtype=x.dtype, device=x.device)
        e[i] = 1
        result = result + vmap(derivative(lambda p, i=i: grad(one(u))(p)[i], e, order - 1))(x)
    return result


def jvp_in_jvp_columns(u, x, index, order):
    return jvp_in_jvp(u, x, torch.nn.functional.one_hot(index, x.shape[1]).to(x), order)


def jacobians(u, x, v, order):
    """jacfwd and jacrev of s -> u(x + s v) at s = 0, alternating, innermost reverse."""

    def per_pair(w, point):
        f = lambda s: one(u)(point + s * w)  # noqa: E731
        for k in range(order):
            f = (jacrev if k == 0 else jacfwd)(f)
        return f(torch.zeros((), dtype=x.dtype, device=x.device))

    return many(per_pair, x, v)


def nested(u, x, v, order):
    """torch.autograd.grad within itself, a chain of its own for each direction after the first gradient."""
    x = x.detach().requires_grad_()
    first = torch.autograd.grad(u(x).sum(), x, create_graph=True)[0]
    result = 0
    for w in v:
        along = first @ w
        for _ in range(order - 1):
            along = torch.autograd.grad(along.sum(), x, create_graph=True)[0] @ w
        result = result + along
    return result


def nested_columns(u, x, index, order):
    x = x.detach().requires_grad_()
    first = torch.autograd.grad(u(x).sum(), x, create_graph=True)[0]
    result = 0
    for i in index.tolist():
        along = first[:, i]
        for _ in range(order - 1):
            along = torch.autograd.grad(along.sum(), x, create_graph=True)[0][:, i]
        result = result + along
    return result


def nested_chosen_columns(u, x, index, order):
    """The derivatives are asked for the chosen coordinates only, which are put into the points as an input."""
    chosen = x[:, index].detach().requires_grad_()
    first = torch.autograd.grad(u(x.index_copy(1, index, chosen)).sum(), chosen, create_graph=True)[0]
    result = 0
    for k in range(len(index)):
        along = first[:, k]
        for _ in range(order - 1):
            along = torch.autograd.grad(along.sum(), chosen, create_graph=True)[0][:, k]
        result = result + along
    return result


def nested_steps(u, x, v, order):
    """All directions at once as V batch points x + s v, differentiated in s."""
    s = torch.zeros(len(v), len(x), 1, dtype=x.dtype, device=x.device, requires_grad=True)
    along = u(x + s * v[:, None]).squeeze(-1)
    for _ in range(order):
        along = torch.autograd.grad(along.sum(), s, create_graph=True)[0].squeeze(-1)
    return along.sum(0)


def hessian_trace(u, x, v, order):
    """Exact Laplacian: the trace of every point's whole Hessian, jacfwd of jacrev; v is not used."""
    assert order == 2
    return vmap(lambda p: jacfwd(jacrev(one(u)))(p).diagonal().sum(), chunk_size=10)(x)


def exact_jvp_in_jvp(u, x, v, order):
    """Exact: all d unit vectors, 50 at a time (chunks of 10 to 200 were tried)."""
    return many(lambda w, p: derivative(one(u), w, order)(p), x, torch.eye(x.shape[1]).to(x), 50)


def exact_jvp_of_grad(u, x, v, order):
    return many(lambda w, p: derivative(lambda q: grad(one(u))(q) @ w, w, 1)(p), x, torch.eye(x.shape[1]).to(x), 50)


def exact_nested(u, x, v, order):
    x = x.detach().requires_grad_()
    first = torch.autograd.grad(u(x).sum(), x, create_graph=True)[0]
    result = 0
    for i in range(x.shape[1]):
        result = result + torch.autograd.grad(first[:, i].sum(), x, create_graph=True)[0][:, i]
    return result


ROUTES = {name: route for name, route in list(globals().items()) if callable(route) and name not in ("one", "many")}
