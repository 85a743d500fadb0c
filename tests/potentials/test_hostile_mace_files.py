"""Hostile and damaged model files: nothing of them runs, and each ends in one clear error."""

import pickle
import pickletools
import random
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from surrogates.physics.errors import FileError, SurrogatesError, TrustError
from surrogates.potentials.mace_torch.archive import Archive
from surrogates.potentials.mace_torch.machine import read_pickle
from surrogates.potentials.mace_torch.model import read_mace_torch
from surrogates.training import load

FOLDER = Path(__file__).parent / "mace_files"
GOOD = FOLDER / "linear.model"
ONE = b"\x80\x02"  # protocol 2
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def archive(
    path: Path, content: bytes, name: str = "model", records: dict[str, bytes] | None = None, kind: int = 0
) -> Path:
    with zipfile.ZipFile(path, "w", kind) as file:
        for record, data in {f"{name}/data.pkl": content, f"{name}/byteorder": b"little", **(records or {})}.items():
            file.writestr(record, data)
    return path


def call(name: str, *arguments: bytes) -> bytes:
    module, function = name.rsplit(".", 1)
    return f"c{module}\n{function}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def hostile(mark: str) -> dict[str, bytes]:
    """Pickles that would create the file `mark`, take all memory, or never end, in a common unpickler."""
    touch, source = f"touch {mark}", f"open({mark!r}, 'w')"
    module = b"cmace.modules.models\nMACE\n"
    state = b"}(" + text("forward") + text(source) + b"u"
    graph = b"ctorch.fx.graph_module\nreduce_graph_module\n"
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    loaded = call("builtins.getattr", call("builtins.__import__", text("os")), text("system"))
    strides = b"I0\n" + b"(I999999999\nt" + b"(I0\nt" + b"\x89" + b"}"
    return {
        "os.system": call("os.system", text(touch)),
        "posix.system": call("posix.system", text(touch)),
        "subprocess": call("subprocess.Popen", text(touch)),
        "eval": call("builtins.eval", text(source)),
        "exec, python 2": call("__builtin__.exec", text(source)),
        "nested getattr": loaded + b"(" + text(touch) + b"tR",
        "getattr of a token": call("builtins.getattr", b"ctorch._C\n_VariableFunctions\n", text("__class__")),
        "numpy load": call("numpy.load", text(mark)),
        "torch.load": call("torch.load", text(mark)),
        "jit": call("torch.jit._serialization.load", text(mark)),
        "fx source alone": graph + b"(}(" + text("_code") + text(source) + b"u" + text("") + b"tR",
        "reduce of a value": text("os.system") + b"(" + text(touch) + b"tR",
        "setstate": module + b")\x81" + b"}(" + text("__setstate__") + call("os.system", text(touch)) + b"ub",
        "state that is code": module + b")\x81" + text(source) + b"b",
        "bad arguments": TENSOR + b"(" + text("a") + b"tR",
        "parameter of nothing": call("torch._utils._rebuild_parameter", b"N"),
        "huge tensor": TENSOR + b"(" + storage + b"I1\ntQ" + strides + b"tR",
        "huge storage": TENSOR + b"(" + storage + b"J\xff\xff\xff\x7ftQK\x00(K\x01t(K\x01t\x89}tR",
        "deep nesting": b"N" + b"\x85" * 300_000,
        "deep nesting as a key": b"}" + b")" + b"\x85" * 300_000 + b"Ns",
        "huge memo": b"Nr\xff\xff\xff\xff0" + b"j\xff\xff\xff\x7f",
        "long text": b"X\xff\xff\xff\xffabc",
        "huge bytes": b"\x96" + struct.pack("<Q", 2**60),
        "endless memo": b"](" + b"h\x00" * 3 + b"e",
        "extension": b"\x82\x01",
        "persistent path": storage.replace(text("0"), text("../../etc/passwd")) + b"K\x01tQ",
        "codec": call("_codecs.encode", text("x"), text("rot13")),
        "no module": call("collections.OrderedDict"),
        "TensorNet": b"cnequip.model\nGraphModel\n)\x81}b" + text("_") + state,
    }  # fmt: skip


@pytest.mark.parametrize("name", hostile("x"))
def test_hostile_pickles_run_no_code(name, tmp_path):
    mark = tmp_path / "ran"
    path = archive(tmp_path / "x.model", ONE + hostile(str(mark))[name] + b".", records={"model/data/0": b"\0" * 4})
    with pytest.raises((FileError, TrustError)):
        load(path)
    assert not mark.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["x.model"]


def rewritten(target: Path, change) -> Path:
    """A copy of a good file with its pickle changed."""
    with zipfile.ZipFile(GOOD) as file:
        records = {name: file.read(name) for name in file.namelist()}
    (pickled,) = [name for name in records if name.endswith("/data.pkl")]
    records[pickled] = change(records[pickled])
    with zipfile.ZipFile(target, "w") as file:
        for name, data in records.items():
            file.writestr(name, data)
    return target


def test_source_of_fx_modules_is_never_executed(tmp_path):
    """The file loads as before although every source line in it has become one that raises."""
    path = rewritten(tmp_path / "x.model", lambda data: data.replace(b"def forward(", b"raise Syste("))
    assert b"raise Syste(" in path.read_bytes()
    assert load(path).elements == (1, 6, 8)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (b"mace.modules.models\nScaleShiftMACE", b"mace.modules.models\nAtomicDipolesMACE", FileError, "dipole"),
        (b"mace.modules.models\nScaleShiftMACE", b"mace.modules.extensions\nMACELES", FileError, "MACELES"),
        (b"mace.modules.models\nScaleShiftMACE", b"mace.modules.extensions\nPolarMACE", FileError, "PolarMACE"),
        (b"mace.modules.models\nScaleShiftMACE", b"mace.modules.models\nBOTNet", FileError, "0.3.12"),
        (b"mace.modules.models\nScaleShiftMACE", b"nequip.nn\nGraphModuleNet", TrustError, "nequip.nn.GraphModuleNet"),
        (b"RealAgnosticResidualInteractionBlock", b"ResidualElementDependentInteractionBlock", FileError, "0.3.12"),
        (b"e3nn.o3._linear\nLinear\n", b"cuequivariance_torch\nLinear\n", FileError, "cuEquivariance"),
    ],
)
def test_other_models_are_refused_by_name(old, new, error, message, tmp_path):
    path = rewritten(tmp_path / "x.model", lambda data: data.replace(old, new))
    with pytest.raises(error, match=message):
        load(path)


def test_archives_of_another_kind_are_refused(tmp_path):
    script = {"model/code/__torch__.py": b"def f(): ...", "model/constants.pkl": b""}
    with pytest.raises(FileError, match="TorchScript"):
        load(archive(tmp_path / "compiled.model", b"", records=script))
    with pytest.raises(FileError, match=r"none of torch\.save"):
        load(archive(tmp_path / "other.model", b"", records={"elsewhere/x": b""}))
    with pytest.raises(FileError, match="compressed"):
        load(archive(tmp_path / "bomb.model", b"\0" * 10**7, kind=zipfile.ZIP_DEFLATED))
    with pytest.raises(FileError, match="leads out"):
        load(archive(tmp_path / "path.model", b"N.", records={"model/../../etc/passwd": b""}))
    (tmp_path / "old.model").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(FileError, match=r"no file of torch\.save"):
        load(tmp_path / "old.model")
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / "absent.model")


def test_damaged_files_are_told(tmp_path):
    """Truncations, flipped bytes in the pickle, and records that are missing."""
    content, rng = GOOD.read_bytes(), random.Random(0)
    for k in range(12):
        (tmp_path / "cut.model").write_bytes(content[: rng.randrange(len(content))])
        with pytest.raises(FileError):
            load(tmp_path / "cut.model")
        path = rewritten(tmp_path / f"{k}.model", lambda data: _flipped(data, rng))
        with suppress(SurrogatesError):
            load(path)


def _flipped(data: bytes, rng: random.Random) -> bytes:
    """One opcode or argument changed."""
    where = rng.choice([position for _, _, position in pickletools.genops(data)])
    return data[:where] + bytes([rng.randrange(256)]) + data[where + 1 :]


def test_reading_names_what_is_inside():
    found = read_mace_torch(GOOD)
    assert found.facts["class"] == "ScaleShiftMACE"
    assert found.facts["interactions"] == "Residual, Residual"
    assert read_pickle(Archive(GOOD)).kind == "ScaleShiftMACE"
