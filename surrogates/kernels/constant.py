"""Numbers that are part of a formula, at the precision of whatever they meet."""

from __future__ import annotations

import torch
from torch import Tensor

from surrogates.kernels.transforms import transformed


class Constant:
    """A float64 table that is rounded once per dtype and device.

    A buffer would be rounded by `.float()` and stay rounded after `.double()`; this always rounds the exact numbers.
    """

    def __init__(self, exact: Tensor) -> None:
        self.exact = exact.double().cpu()
        self._rounded: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def like(self, x: Tensor) -> Tensor:
        """The table in the dtype and on the device of `x`."""
        key = (x.dtype, x.device)
        if key not in self._rounded and transformed():  # tensors that are made inside a transform die with it
            return self.exact.to(x)
        if key not in self._rounded:
            with torch.inference_mode(False):  # kept beyond this call, which may be one without gradients
                self._rounded[key] = self.exact.to(x)
        return self._rounded[key]

    def __getstate__(self) -> dict:
        return {"exact": self.exact, "_rounded": {}}
