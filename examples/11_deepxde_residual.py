"""Our derivatives in DeepXDE's own loop: a user's problem, sine-Gordon's equation in a ball of 100 dimensions.

Lap u + sin u = g with u = 0 on the unit sphere; g is made so that u = (1 - |x|^2) sum_i c_i sin(x_i + cos x_(i+1) +
x_(i+1) cos x_i) solves it (arXiv:2412.00088). Geometry, points, optimiser and loop are DeepXDE's. 100 nested calls of
dde.grad.hessian a step have become one estimate of the Laplacian from 16 random coordinates.
"""

import deepxde as dde
import numpy as np
import torch

from surrogates.derivatives import Exact, Sparse, laplacian
from surrogates.physics.solutions.on_ball import sine_gordon
from surrogates.physics.solutions.two_body import two_body
from surrogates.pinns import Residual

exact = two_body(100, seed=0)


def source(x):
    return exact.source(x, sine_gordon)


dde.config.set_random_seed(0)
net = dde.nn.FNN([100] + [128] * 4 + [1], "tanh", "Glorot normal")
net.apply_output_transform(lambda x, y: (1 - x.square().sum(1, keepdim=True)) * y)  # u = 0 on the sphere, built in
residual = Residual(net, lambda u, x: laplacian(u, x, how=Sparse(samples=16)) + torch.sin(u(x)) - source(x))

ball = dde.geometry.Hypersphere([0.0] * 100, 1.0)
problem = dde.data.PDE(ball, residual, [], num_domain=100, train_distribution="pseudo")
model = dde.Model(problem, net)
model.compile("adam", lr=1e-3)
new_points = dde.callbacks.PDEPointResampler(period=1)  # 100 fixed points say little about 100 dimensions
model.train(iterations=1000, callbacks=[new_points])


def relative(found, true):
    return np.linalg.norm(found - true) / np.linalg.norm(true)


x = ball.random_points(300)
u, g = exact(torch.as_tensor(x)).numpy(), source(torch.as_tensor(x)).numpy()
left = model.predict(x, operator=Residual(net, lambda u, x: laplacian(u, x, how=Exact()) + torch.sin(u(x))))
print(f"relative L2 error of u {relative(model.predict(x), u):.3f}, of Lap u + sin u {relative(left, g):.3f}")
