"""Where generated kernels run: C on the CPU, Triton on a GPU; everywhere else the eager twins give the same numbers."""

from __future__ import annotations

from torch import Tensor

from surrogates.kernels import native, triton_code


def usable(*tensors: Tensor) -> bool:
    """Whether a generated kernel may run on these tensors: on one device, in one precision, with what it needs there.

    On the CPU that is a C compiler, on a GPU Triton. SURROGATES_NATIVE=0 turns both off.
    """
    return native.usable(*tensors) or triton_code.usable(*tensors)
