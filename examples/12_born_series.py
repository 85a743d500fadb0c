"""What a network has learned of scattering theory: its Taylor tensors against the Born series, order by order.

Data: S-wave scattering lengths of shallow potentials of 8 shells, solved exactly. One network alone adapts its first
derivative and little else; so the leading order is read off, taken out of the target, and a second network learns
what is left (arXiv:2009.03192).
"""

import torch
from torch import nn

from surrogates.derivatives import taylor_tensor
from surrogates.physics.solutions.scattering_length import born_terms, scattering_length

torch.manual_seed(0)
shells, depth, samples, rounds = 8, 0.02, 1000, 300
potentials = depth * torch.randn(samples, shells, dtype=torch.float64)
lengths = scattering_length(potentials)
exact = born_terms(shells)


def learn(x, y):
    """A network for y(x): least squares by L-BFGS, y in units of its scatter."""
    net, scale = nn.Sequential(nn.Linear(shells, 32), nn.Tanh(), nn.Linear(32, 1)).double(), y.std()
    descent = torch.optim.LBFGS(net.parameters(), max_iter=rounds, history_size=50, line_search_fn="strong_wolfe")

    def loss():
        descent.zero_grad()
        value = (net(x) - y / scale).square().mean()
        value.backward()
        return value

    descent.step(loss)
    return lambda x: net(x) * scale


def report(title, *nets):
    """Relative error of each Born kernel in the sum of these networks."""
    tensors = [taylor_tensor(net, torch.zeros(shells, dtype=torch.float64), 2) for net in nets]
    found = [sum(t[k][0] for t in tensors).detach() for k in (1, 2)]
    errors = [(f - e).norm() / e.norm() for f, e in zip(found, exact, strict=True)]
    print(f"{title}: first Born kernel {100 * errors[0]:.2f} %, second {100 * errors[1]:.2f} %")


one = learn(potentials, lengths)
report("one network", one)

first = taylor_tensor(one, torch.zeros(shells, dtype=torch.float64), 1)[1][0].detach()
two = learn(potentials, lengths - potentials @ first[:, None])
report("leading order taken out", two, lambda x: (x * first).sum(-1, keepdim=True))

new = depth * torch.randn(500, shells, dtype=torch.float64)
born, true = new @ first[:, None] + two(new).detach(), scattering_length(new)
print(f"scattering lengths of new potentials: {100 * (born - true).norm() / true.norm():.3f} % off")
