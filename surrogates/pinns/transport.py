"""Transport with diffusion and reaction, u_t + a(u, x, t) u_x = nu u_xx + R(u), in the two frames that solve it.

A network of (x, t) is held to the equation itself; one of labels (xi, t), with characteristics and what they carry
(Lagrangian PINNs, arXiv:2205.02902), to x_t = a and u_t = nu u_xx + R on them.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from surrogates.blocks.deepxde import deepxde
from surrogates.derivatives import partials
from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.shock_time import Speed, shock_time
from surrogates.pinns.lagrangian_pinn import LagrangianPINN
from surrogates.pinns.problem import Problem

FLOOR = 1e-4
"""Least x_xi that the diffusion term divides by while a network is not yet trained; the weight x_xi^2 is exact."""


@dataclass(frozen=True, eq=False)
class Transport:
    """u_t + a(u, x, t) u_x = nu u_xx + R(u) for x in [0, period) and 0 <= t <= until.

    Args:
        speed: (u, x, t) -> a, elementwise on columns (n, 1); a number for a constant speed.
        initial: u0, points (n, 2) -> (n, 1), periodic.
        nu: diffusivity, of length^2 / time. reaction: u -> R, elementwise; None for none.
        period, until: length of the interval, and the last time.
    Raises DomainError for numbers that make no sense, and where nu = 0 and characteristics cross before `until`: a
    smooth solution has ended then, and no network of these kinds can follow the shock.
    """

    speed: Speed | float | int
    initial: Callable[[Tensor], Tensor]
    nu: float | int = 0.0
    reaction: Callable[[Tensor], Tensor] | None = None
    period: float | int = 2 * math.pi
    until: float | int = 1.0
    _known: Any = field(default_factory=weakref.WeakSet, init=False, repr=False)

    def __post_init__(self) -> None:
        positive = all(isinstance(v, int | float) and math.isfinite(v) and v > 0 for v in (self.period, self.until))
        if not positive or not (isinstance(self.nu, int | float) and math.isfinite(self.nu) and self.nu >= 0):
            raise DomainError(
                f"period={self.period}, until={self.until}, nu={self.nu}; give positive lengths of space and time, and "
                "nu of at least 0"
            )
        if not callable(self.speed) and not isinstance(self.speed, int | float):
            raise DomainError(f"speed={self.speed!r}; give a number or a function (u, x, t) -> a")
        crossing = self.shock_time() if self.nu == 0 else None
        if crossing is not None:
            raise DomainError(
                f"characteristics cross at t = {crossing:.4g}, before until={self.until}, and with nu = 0 there is no "
                "smooth solution after that; end earlier, or give nu > 0"
            )

    def a(self, u: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The speed at columns u, x, t."""
        if callable(self.speed):
            return self.speed(u, x, t) + torch.zeros_like(u)
        return torch.full_like(u, float(self.speed))

    def shock_time(self, until: float | int | None = None) -> float | None:
        """When characteristics of nu = 0 cross, None if not before `until`; with nu > 0 fronts form about then."""
        if not callable(self.speed):
            return None
        return shock_time(
            self.a,
            lambda x: self.initial(torch.stack([x, torch.zeros_like(x)], dim=-1))[..., 0],
            period=self.period,
            until=self.until if until is None else until,
            reaction=self.reaction,
        )

    def residual(self, u: Any, points: Tensor) -> Tensor | dict[str, Tensor]:
        """What a network is held to: `eulerian` for u(x, t), `lagrangian` for a LagrangianPINN on labels (xi, t)."""
        if not isinstance(u, LagrangianPINN):
            return self.eulerian(u, points)
        self._check(u, points)
        return self.lagrangian(u, points)

    def eulerian(self, u: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
        """u_t + a u_x - nu u_xx - R at points (x, t), (n, 1)."""
        wanted = [(), (0,), (1,), *([(0, 0)] if self.nu else [])]
        value, by_x, by_t, *second = partials(u, points, wanted)
        out = by_t + self.a(value, points[:, :1], points[:, 1:]) * by_x
        if self.nu:
            out = out - self.nu * second[0]
        return out if self.reaction is None else out - self.reaction(value)

    def lagrangian(self, paths: Callable[[Tensor], Tensor], labels: Tensor) -> dict[str, Tensor]:
        """{"characteristic": x_t - a, "state": x_xi^2 (u_t - R - nu u_xx)} at labels (xi, t), each (n, 1).

        nu u_xx x_xi^2 = nu (u_xi_xi - u_xi x_xi_xi / x_xi); without diffusion the factor x_xi^2 is left away too.
        `paths` is labels -> (x, u), a LagrangianPINN or a known solution.
        """
        wanted = [(), (1,), *([(0,), (0, 0)] if self.nu else [])]
        value, by_t, *by_label = partials(paths, labels, wanted)
        x, u = value[:, :1], value[:, 1:]
        state = by_t[:, 1:] if self.reaction is None else by_t[:, 1:] - self.reaction(u)
        if self.nu:
            first, second = by_label
            x1, bend = first[:, :1], first[:, 1:] * second[:, :1]
            state = x1**2 * state - self.nu * (second[:, 1:] - bend / x1.clamp_min(FLOOR))
        return {"characteristic": by_t[:, :1] - self.a(u, x, labels[:, 1:]), "state": state}

    def problem(
        self,
        *,
        exact: Callable[[Tensor], Tensor] | None = None,
        hard: bool = True,
        spec: Mapping[str, Any] | None = None,
    ) -> Problem:
        """As something to train on, by networks of either frame.

        Args:
            exact: (x, t) -> u, where it is known. spec: see Problem.
            hard: whether the network brings initial state and period itself, as a LagrangianPINN does, and
                FromInitial around Periodic; else they are conditions, for a network of (x, t) alone.
        """

        def geometry() -> Any:
            dde = deepxde()
            space = dde.geometry.Interval(0.0, float(self.period))
            return dde.geometry.GeometryXTime(space, dde.geometry.TimeDomain(0.0, float(self.until)))

        def sample(n: int, generator: torch.Generator) -> Tensor:  # the same box, without importing DeepXDE
            sides = torch.tensor([float(self.period), float(self.until)], dtype=torch.float64, device=generator.device)
            return torch.rand(n, 2, generator=generator, dtype=torch.float64, device=generator.device) * sides

        def conditions(domain: Any) -> list[Any]:
            dde = deepxde()

            def start(x: Any) -> Any:
                return self.initial(torch.as_tensor(x)).numpy()

            return [
                dde.icbc.IC(domain, start, lambda _, on: on),
                dde.icbc.PeriodicBC(domain, 0, lambda _, on: on),
            ]

        residual = self.residual if hard else self._soft
        return Problem(
            2,
            residual,
            geometry=geometry,
            conditions=() if hard else conditions,
            exact=exact,
            sample=sample,
            coordinates=("x", "t"),
            spec=spec,
        )

    def _soft(self, u: Any, points: Tensor) -> Tensor:
        if isinstance(u, LagrangianPINN):
            raise DomainError(
                "a LagrangianPINN brings initial state and period itself, and its outputs are (x, u) at labels, which "
                "conditions cannot judge; make the problem with hard=True"
            )
        return self.eulerian(u, points)

    def _check(self, net: LagrangianPINN, points: Tensor) -> None:
        """Once for each network: it must start from this problem's state."""
        if net in self._known:
            return
        if not math.isclose(net.period, float(self.period), rel_tol=1e-6):
            raise DomainError(f"the network has period={net.period}, the equation {self.period}; make them agree")
        x = torch.linspace(0, float(self.period), 33).to(points)
        at = torch.stack([x, torch.zeros_like(x)], dim=1)
        with torch.no_grad():
            gap = float((net.initial(at) - self.initial(at)).abs().max())
        if not gap <= 1e-4 * (1 + float(self.initial(at).abs().max())):
            raise DomainError(
                f"the network starts from another state than the equation (they differ by up to {gap:.3g}); give "
                "LagrangianPINN the problem's initial state"
            )
        self._known.add(net)
