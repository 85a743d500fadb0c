"""Expressions printed as Triton programs for NVIDIA and AMD processors, compiled when they are first launched.

Triton reads the source of what it compiles, so a program becomes a file in the private cache, named by its content.
Kernels that add into shared numbers do so by atomics: sums over atoms and edges are not repeatable to the last bit.
Where `torch.use_deterministic_algorithms` asks for that, the eager twins run instead.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from surrogates.kernels.expressions import Node
from surrogates.kernels.native import NoCompiler, cache_folder, one_precision

LANES = 32  # numbers that one program works on: those of one warp, so that sums over channels stay within it


def usable(*tensors: Tensor) -> bool:
    """Whether Triton programs may run on these tensors: on one GPU, in one known precision."""
    if not one_precision(*tensors) or tensors[0].device.type != "cuda":
        return False
    chosen = os.environ.get("SURROGATES_NATIVE", "1") != "0" and not torch.are_deterministic_algorithms_enabled()
    return chosen and works(tensors[0].device)


def device(like: Tensor) -> bool:
    """Whether kernels of this tensor are Triton's rather than C."""
    return like.is_cuda


@cache
def works(device: torch.device) -> bool:
    """Whether a small program gives the right number; one notice where Triton is there and fails."""
    if importlib.util.find_spec("triton") is None:
        return False
    try:
        x = torch.full((1,), 2.0, device=device)
        launch(kernel(_double), (1,), x)
        right = x.item() == 4
        reason = f"2 * 2 was {x.item()}"
    except Exception as error:  # whatever a driver, an assembler or a linker says
        right, reason = False, f"{type(error).__name__}: {str(error).strip()[:300]}"
    if not right:
        warnings.warn(
            f"Triton kernels cannot run on {device} ({reason}); slower code gives the same numbers. "
            "Set SURROGATES_NATIVE=0 and this notice ends",
            NoCompiler,
            stacklevel=2,
        )
    return right


def _double() -> str:
    return program(["x"], [], ["tl.store(x, 2 * tl.load(x))"])


def program(pointers: Sequence[str], integers: Sequence[str], body: Sequence[str], fixed: Sequence[str] = ()) -> str:
    """A file with the function `run(pointers, integers, fixed)`: `integers` vary from call to call, `fixed` do not.

    `body` may use `plus` in reductions. Neither values of integers nor alignments of tensors make Triton compile again.
    """
    arguments = [*pointers, *integers, *(f"{name}: tl.constexpr" for name in fixed)]
    options = f"do_not_specialize={list(integers)}, do_not_specialize_on_alignment={list(pointers)}"
    wide = [f"{name} = {name}.to(tl.int64)" for name in integers]  # products of sizes pass 2^31
    plus = ["@triton.jit", "def plus(x, y):", "    return x + y"]
    head = ["import triton", "import triton.language as tl", "", "", *plus, "", "", f"@triton.jit({options})"]
    return "\n".join([*head, f"def run({', '.join(arguments)}):", *indented([*wide, *body]), ""])


def indented(lines: Sequence[str]) -> list[str]:
    """Lines one level further in."""
    return [f"    {line}" for line in lines]


def statements(
    results: Mapping[str, Node | None],
    store: Callable[[str, str], list[str]],
    load: Callable[[str], tuple[str, list[str]]],
    prefix: str,
) -> list[str]:
    """Flat code, one operation a line, that computes each result in turn; zero (None) is left out.

    `load(leaf)` is its variable and the lines that fill it, taken before the first use; `store(key, variable)` are the
    lines that put a result where it belongs; variables of the code begin with `prefix`.
    """
    lines: list[str] = []
    names: dict[int, str] = {}

    def compute(root: Node) -> str:
        stack = [root]
        while stack:
            node = stack[-1]
            missing = [n for n in (node.right, node.left) if n is not None and n.index not in names]
            if node.index in names or missing:
                stack += missing
                if not missing:
                    stack.pop()
                continue
            if node.left is None or node.right is None:
                names[node.index], loading = load(node.name)
                lines.extend(loading)
            else:
                names[node.index] = f"{prefix}{node.index}"
                value = f"{names[node.left.index]} {node.op} {names[node.right.index]}"
                lines.append(f"{names[node.index]} = {value}")
            stack.pop()
        return names[root.index]

    for key, root in results.items():
        if root is not None:
            lines.extend(store(key, compute(root)))
    return lines


class Sums:
    """Variables that are added to in straight code: the first summand is an assignment."""

    def __init__(self) -> None:
        self.begun: set[str] = set()

    def add(self, name: str, value: str) -> str:
        """`name` += value."""
        first = name not in self.begun
        self.begun.add(name)
        return f"{name} = {value}" if first else f"{name} += {value}"


@cache
def kernel(source: Callable[..., str], *key: Any) -> Any:
    """The function `run` of the program that `source(*key)` prints."""
    return _load(source(*key)).run


def launch(run: Any, grid: tuple[int, ...], *arguments: Any, **fixed: Any) -> None:
    """Start a program on the device of its first tensor; nothing where the grid is empty."""
    first = next(a for a in arguments if isinstance(a, Tensor))
    if min(grid) > 0:
        with torch.cuda.device_of(first):
            run[grid](*arguments, **fixed, num_warps=1)


def _load(text: str) -> ModuleType:
    name = "triton_" + hashlib.sha256(text.encode()).hexdigest()[:32]
    path = cache_folder() / f"{name}.py"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            written = Path(folder) / path.name
            written.write_text(text, encoding="utf-8")
            os.replace(written, path)  # complete or absent, whoever else writes the same
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
