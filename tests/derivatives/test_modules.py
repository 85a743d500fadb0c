"""Networks as users write them: series to order six and their gradients in the parameters are nested autograd's."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from surrogates.derivatives import jet
from surrogates.operators.deeponet import DeepONet
from surrogates.operators.deeponet_parts.features import Periodic


class Convolutional(nn.Module):
    """Points as short periodic signals, down and up again."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv1d(1, 3, 3, stride=2, padding=1, padding_mode="circular")
        self.up = nn.ConvTranspose1d(3, 2, 4, stride=2, padding=1)
        self.readout = nn.Linear(12, 2)

    def forward(self, x):
        h = F.gelu(self.down(x.unsqueeze(1)))
        return self.readout(torch.sigmoid(self.up(h)).flatten(1))


class Residual(nn.Module):
    """Blocks with normalisation, added in place (which nested autograd cannot follow); some activations."""

    inplace = True

    def __init__(self):
        super().__init__()
        self.lift, self.readout = nn.Linear(6, 8), nn.Linear(8, 2)
        self.norms = nn.ModuleList([nn.LayerNorm(8), nn.RMSNorm(8)])
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.steps = nn.ModuleList([nn.SiLU(inplace=True), nn.Softplus()])

    def forward(self, x):
        h = self.lift(x)
        for norm, layer, step in zip(self.norms, self.layers, self.steps, strict=True):
            if self.inplace:
                h += step(layer(norm(h)))
            else:
                h = h + step(layer(norm(h)))
        return self.readout(h)


class Fourier(nn.Module):
    """Random Fourier features with a learned scale (arXiv:2006.10739)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("frequencies", torch.randn(6, 5))
        self.scale, self.net = (
            nn.Parameter(torch.tensor(0.7)),
            nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 2)),
        )

    def forward(self, x):
        phase = self.scale * x @ self.frequencies
        return self.net(torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)) * torch.exp(
            -(x**2).sum(-1, keepdim=True)
        )


class Attentive(nn.Module):
    """Coordinates as tokens of a transformer layer."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(2, 4)
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation="gelu", batch_first=True)

    def forward(self, x):
        return self.layer(self.embed(x.reshape(-1, 3, 2))).mean(1)


class Trunk(nn.Module):
    """A DeepONet at one input function, as a function of the query point."""

    def __init__(self):
        super().__init__()
        widths = {"branch": [8, 8], "trunk": [8, 8]}
        self.net = DeepONet(
            dim=2, sensors=[3, 3], **widths, activation="tanh", out_channels=2, features=Periodic(harmonics=2)
        )

    def forward(self, x):
        return self.net.at(torch.linspace(0, 1, 9).reshape(1, 1, 3, 3).to(x), x[:, :2] * x[:, 2:4].cos())[0].T


def from_deepxde():
    from surrogates.blocks.deepxde import deepxde

    net = deepxde().nn.FNN([7] + [8] * 2 + [2], "tanh", "Glorot normal")
    net.apply_feature_transform(lambda x: torch.cat([torch.sin(x[:, :1]), x], dim=-1))
    net.apply_output_transform(lambda x, y: x[:, 5:] * (1 - x[:, 5:]) * y + x[:, :1] ** 2)
    return net


MODULES = {
    "mlp": lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)),
    "convolutional": Convolutional,
    "residual": Residual,
    "fourier": Fourier,
    "attention": Attentive,
    "deepxde": from_deepxde,
    "deeponet": Trunk,
}


def elementary_layer_norm(x, shape, weight=None, bias=None, eps=1e-5):
    c = x - x.mean(-1, keepdim=True)
    return c / torch.sqrt((c**2).mean(-1, keepdim=True) + eps) * weight + bias


def nested(u, x, v, order):
    """Derivatives of u(x + t v) by reverse mode within reverse mode, an output at a time."""
    t = torch.zeros(len(x), 1, dtype=x.dtype, requires_grad=True)
    columns, found = list(u(x + t * v).T), []
    for k in range(order + 1):
        found.append(torch.stack(columns, 1))
        if k < order:
            columns = [torch.autograd.grad(c.sum(), t, create_graph=True)[0][:, 0] for c in columns]
    return found


@pytest.mark.parametrize("name", MODULES)
def test_series_and_gradients_are_nested_autograd(name, monkeypatch):
    torch.manual_seed(1)
    net = MODULES[name]().double()
    x, v = 0.7 * torch.randn(3, 6, dtype=torch.float64), 0.5 * torch.randn(1, 6, dtype=torch.float64)
    order = 3 if name == "attention" else 6  # nested autograd needs minutes there
    ours = [c if k == 0 else c[0] for k, c in enumerate(jet(net, x, v, order))]
    # torch's own higher derivatives of fused normalisations are wrong (test_fallback.py)
    monkeypatch.setattr(F, "layer_norm", elementary_layer_norm)
    monkeypatch.setattr(Residual, "inplace", False)
    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivatives
        theirs = nested(net, x, v[0], order)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10 * max(1, b.abs().max().item()))
    parameters = [p for p in net.parameters() if p.requires_grad]
    weights = [1 / (1 + c.detach().abs().max()) for c in theirs]
    gradients = [
        torch.autograd.grad(
            sum((w * c.sin()).sum() for w, c in zip(weights, s, strict=True)), parameters, allow_unused=True
        )
        for s in (ours, theirs)
    ]
    for a, b in zip(*gradients, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10 * max(1, b.abs().max().item()))
