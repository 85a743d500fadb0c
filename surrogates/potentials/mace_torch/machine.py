"""A pickle machine without powers: it knows the opcodes that torch.save writes, and calls nothing.

Objects become Stubs and plain values; names outside the allow-list end the reading. Python source in the pickle
(torch.fx), and TorchScript archives in bytes, stay what they are: text and bytes that nobody looks at.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from torch import Tensor

from surrogates.physics.errors import FileError
from surrogates.potentials.mace_torch import allowed
from surrogates.potentials.mace_torch.archive import STORAGES, Archive, view
from surrogates.potentials.mace_torch.stubs import Storage, Stub, Token

_MOST_STEPS = 5_000_000
_MARK = object()
_PLAIN = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}
_NAMED = {f"torch._C._VariableFunctionsClass.{name}": f"torch.{name}" for name in ("tanh", "abs")}


def read_pickle(archive: Archive) -> Any:
    """The object in data.pkl.

    Raises TrustError or FileError for a name outside the allow-list (the text has it), FileError for anything that is
    no pickle of torch.save.
    """
    machine = _Machine(archive)
    try:
        return machine.run(archive.pickle())
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FileError(f"{archive.path} is damaged: its pickle cannot be read ({reason}); copy it again") from error


class _Machine:
    """Stack and memo, and one method for every opcode that does more than push a value."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        argument: Any
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            name = opcode.name
            if step > _MOST_STEPS:
                raise ValueError("it has too many steps")
            if name in _PLAIN:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _EMPTY:
                self.stack.append(_EMPTY[name]())
            elif name in ("BINPUT", "LONG_BINPUT"):
                self.memo[argument] = self.stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                self.stack.append(self.memo[argument])
            elif name == "STOP":
                return self.stack.pop()
            elif name != "PROTO":
                method = getattr(self, f"_{name.lower()}", None)
                if method is None:
                    raise ValueError(f"opcode {name} is none of those that torch.save writes")
                method(argument)
        raise ValueError("it ends too early")

    def _global(self, argument: str) -> None:
        name = argument.replace(" ", ".", 1)
        if " " in name or name not in allowed.CLASSES | allowed.TOKENS | allowed.FUNCTIONS:
            raise allowed.refusal(name)
        self.stack.append(Token(name))

    def _binpersid(self, _: Any) -> None:
        tag, kind, key, _place, count = self.stack.pop()
        if tag != "storage" or not isinstance(kind, Token) or not isinstance(key, str) or not key.isdigit():
            raise ValueError("a tensor's storage is described in an unknown way")
        self.stack.append(Storage(kind.name.removeprefix("torch."), key, count))

    def _newobj(self, _: Any) -> None:
        arguments, cls = self.stack.pop(), self.stack.pop()
        if not isinstance(cls, Token) or cls.name not in allowed.CLASSES or not isinstance(arguments, tuple):
            raise ValueError("an object is made of something that is no class")
        self.stack.append(Stub(cls.name, arguments))

    def _build(self, _: Any) -> None:
        state, thing = self.stack.pop(), self.stack[-1]
        if not isinstance(state, dict):
            raise ValueError("the state of an object is no dict")
        if isinstance(thing, Stub):
            thing.state.update(state)
        elif not isinstance(thing, dict):  # an OrderedDict may carry attributes (_metadata), which mean nothing here
            raise ValueError("state is given to something that has none")

    def _reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Token) or not isinstance(arguments, tuple):
            raise ValueError("something is called that is no function")
        self.stack.append(self._call(function.name, arguments))

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """The value of a call, computed here; the function itself is never touched."""
        if name == "torch.fx.graph_module.reduce_graph_module":
            return Stub(name)  # its arguments are source code: dropped
        if name == "torch._utils._rebuild_tensor_v2":
            return self._tensor(*arguments[:4])
        if name == "torch._utils._rebuild_parameter" and isinstance(arguments[0], Tensor):
            return arguments[0]
        if name == "collections.OrderedDict":
            return _keyed(arguments[0]) if arguments else {}
        if name.endswith(".set") and len(arguments) == 1 and isinstance(arguments[0], list):
            return {entry for entry in arguments[0] if isinstance(entry, str | int)}
        if name == "_codecs.encode" and arguments[1:] == ("latin1",) and isinstance(arguments[0], str):
            return arguments[0].encode("latin1")
        if name.endswith(".getattr") and len(arguments) == 2 and isinstance(arguments[0], Token):
            found = f"{arguments[0].name}.{arguments[1]}"
            if found not in _NAMED:
                raise allowed.refusal(f"getattr of {found}")
            return Token(_NAMED[found])
        if name in allowed.CLASSES:
            return Stub(name, arguments)
        raise ValueError(f"{name} is called with arguments that make no sense")

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
        if not isinstance(storage, Storage) or storage.kind not in STORAGES or not isinstance(storage.count, int):
            raise ValueError("a tensor has no storage")
        return view(self.archive.storage(storage.kind, storage.key, storage.count), offset, size, stride)

    def _items(self) -> list[Any]:
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise ValueError("a mark is missing")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._items()))

    def _tuple1(self, _: Any) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def _tuple2(self, _: Any) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self, _: Any) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        _as(list, self.stack[-1]).append(value)

    def _appends(self, _: Any) -> None:
        values = self._items()
        _as(list, self.stack[-1]).extend(values)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _as(dict, self.stack[-1]).update(_keyed([(key, value)]))

    def _setitems(self, _: Any) -> None:
        items = self._items()
        _as(dict, self.stack[-1]).update(_keyed(list(zip(items[::2], items[1::2], strict=True))))


def _as(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"a {kind.__name__} is filled that is a {type(value).__name__}")
    return value


def _keyed(pairs: Any) -> dict[Any, Any]:
    """A dict whose keys are text and numbers: hashing anything else could recurse without end."""
    if not all(len(pair) == 2 and isinstance(pair[0], str | int | float) for pair in pairs):
        raise ValueError("a dict has keys that are neither text nor numbers")
    return {key: value for key, value in pairs}
