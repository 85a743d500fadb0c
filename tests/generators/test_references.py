"""Only calculators on the written list are built, with arguments of the listed names and types."""

import subprocess
import sys

import pytest

from surrogates.datasets.generators import references
from surrogates.datasets.generators.allowed import ALLOWED
from surrogates.datasets.generators.references import make_reference, parse_reference, reference_schema
from surrogates.physics.errors import DomainError, MissingExtra, TrustError

LJ = "ase.calculators.lj:LennardJones"
XTB = "tblite.ase:TBLite"


@pytest.mark.parametrize(
    "spec",
    [
        {"use": "subprocess:Popen", "args": "true"},
        {"use": "os:system"},
        {"use": "surrogates.x:subprocess"},
        {"use": "ase.calculators.lammpsrun:LAMMPS"},
        {"use": XTB, "command": "touch stolen"},
        {"use": LJ, "directory": "/"},
        {"use": LJ, "label": "x"},
        {"use": LJ, "sigmma": 1.0},
        {"use": XTB, "acuracy": 0.01},
    ],
)
def test_what_is_not_on_the_list_is_refused(spec):
    with pytest.raises(TrustError):
        make_reference(spec)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("accuracy", bad) for bad in ("0.01", True, float("nan"), 0, [0.1])),
        *(("method", "GFN3-xTB"), ("max_iterations", 2.5), ("max_iterations", 0), ("charge", 0.5), ("multiplicity", 0)),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused(argument, value):
    with pytest.raises(DomainError, match=argument):
        parse_reference({"use": XTB, argument: value})


@pytest.mark.parametrize("spec", [None, "tblite.ase:TBLite", {}, {"method": "GFN2-xTB"}, {"use": 3}])
def test_what_is_no_specification_is_refused(spec):
    with pytest.raises(DomainError, match="use"):
        parse_reference(spec)


def test_the_nearest_word_is_named():
    with pytest.raises(TrustError, match="did you mean 'accuracy'"):
        parse_reference({"use": XTB, "acuracy": 0.01})
    with pytest.raises(TrustError, match=r"did you mean 'tblite\.ase:TBLite'"):
        parse_reference({"use": "tblite.ase:TBLit"})


def test_only_the_person_widens_the_list_and_even_then_no_file_names_a_program():
    spec = {"use": "ase.calculators.tip3p:TIP3P", "rc": 4.0}
    with pytest.raises(TrustError):
        make_reference(spec)
    assert make_reference(spec, trust=[spec["use"]]).rc == 4.0
    with pytest.raises(TrustError):
        make_reference({**spec, "command": "true"}, trust=[spec["use"]])


def test_two_spellings_of_one_method_have_one_identity():
    short = parse_reference({"use": XTB, "accuracy": 1})
    long = parse_reference({"accuracy": 1.0, "method": "GFN2-xTB", "use": XTB})
    assert short.identity() == long.identity()
    assert short.identity() != parse_reference({"use": XTB, "accuracy": 0.01}).identity()
    assert parse_reference(short.spec) == short


def test_charge_and_spin_come_from_the_structure_and_may_not_contradict():
    reference = parse_reference({"use": XTB})
    assert reference.electrons(-1, 2) == {"charge": -1, "multiplicity": 2}
    assert reference.electrons(None, None) == {"charge": 0, "multiplicity": 1}
    with pytest.raises(DomainError, match="leave it out of the reference"):
        parse_reference({"use": XTB, "charge": 1}).electrons(0, 1)
    with pytest.raises(DomainError, match="does not know"):
        make_reference({"use": LJ}, charge=1)


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(MissingExtra, match="xtb"):
        make_reference({"use": XTB})


SILICON = {"pseudopotentials": {"Si": "Si.pz-vbc.UPF"}, "ecutwfc": 18, "kpoints": [4, 4, 4]}
NEEDED = {"ase.calculators.espresso:Espresso": SILICON}


def test_every_class_on_the_list_takes_every_argument_with_its_default():
    for use in ALLOWED:
        pytest.importorskip(ALLOWED[use].package)
        calculator = make_reference({"use": use, **NEEDED.get(use, {})})
        known = {**calculator.default_parameters, **calculator.parameters}
        assert set(ALLOWED[use].arguments) <= set(known), use


def test_the_schema_accepts_what_the_checker_accepts():
    alternatives = {s["properties"]["use"]["const"]: s for s in reference_schema()["oneOf"]}
    assert set(alternatives) == set(ALLOWED)
    xtb = alternatives[XTB]
    assert xtb["additionalProperties"] is False
    assert xtb["properties"]["accuracy"]["default"] == 1.0
    assert "(K)" in xtb["properties"]["electronic_temperature"]["description"]


def test_the_list_is_read_without_torch_or_ase():
    code = f"""
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
for name in ("allowed", "arguments", "references"):
    full = "surrogates.datasets.generators." + name
    spec = spec_from_file_location(full, Path({references.__file__!r}).with_name(name + ".py"))
    sys.modules[full] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
module.reference_schema(), module.parse_reference({{"use": "tblite.ase:TBLite"}})
sys.exit(any(name in sys.modules for name in ("torch", "ase", "tblite", "numpy")))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
