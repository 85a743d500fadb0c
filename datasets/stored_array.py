"""An array that stays on disk until it is looked at, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class StoredArray(np.lib.mixins.NDArrayOperatorsMixin):
    """Acts as the numpy array it stands for; a slice of its first axis reads that much and no more.

    Args:
        shape, dtype: of the array. read: gives the frames of a range of its first axis.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, read: Callable[[slice], np.ndarray]) -> None:
        self.shape, self.dtype, self._read = tuple(shape), np.dtype(dtype), read

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int | np.integer):
            place = range(len(self))[int(first)]
            return self._read(slice(place, place + 1))[(0, *rest)]
        if isinstance(first, slice):
            wanted = range(len(self))[first]
            low, high = (min(wanted), max(wanted) + 1) if len(wanted) else (0, 0)
            return self._read(slice(low, high))[(slice(None, None, wanted.step), *rest)]
        return np.asarray(self)[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = self._read(slice(0, len(self)))
        return found if dtype is None else found.astype(dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(x) if isinstance(x, StoredArray) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)
