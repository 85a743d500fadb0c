"""Native kernels on several threads: each takes a range of channels, so that none writes where another does."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch


def ranges(blocks: int) -> list[tuple[int, int]]:
    """`blocks` vectors of channels, split as evenly as they can be among torch's compute threads."""
    parts = max(1, min(torch.get_num_threads(), blocks))
    cuts = [k * blocks // parts for k in range(parts + 1)]
    return list(pairwise(cuts))


def launch(call: Callable[[int, int, int], None], parts: list[tuple[int, int]]) -> None:
    """call(part, begin, end) for every range; at once where there are several, since native code frees the GIL."""
    if len(parts) == 1:
        call(0, *parts[0])
        return
    for done in [_pool(len(parts)).submit(call, k, begin, end) for k, (begin, end) in enumerate(parts)]:
        done.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="surrogates-kernel")


if hasattr(os, "register_at_fork"):  # threads do not live on in a child, which would wait for them
    os.register_at_fork(after_in_child=_pool.cache_clear)
