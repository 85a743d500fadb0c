"""Every way of being wrong is one message with file, line and column, before anything runs."""

from pathlib import Path

import pytest

from surrogates.physics.errors import SurrogatesError
from surrogates.workflows.recipes_list import recipes
from surrogates.workflows.schema import check_workflow, load_workflow
from surrogates.workflows.yaml_file import parse_yaml

GOOD = """\
surrogates: 1
name: small
quick: {potential.epochs: 1}
steps:
  data:
    use: generate
    structures: {bulk: Ar, cubic: true, a: 5.26}
    reference: {use: "ase.calculators.lj:LennardJones", epsilon: 0.01, sigma: 3.4, rc: 6.0}
    walkers:
      train: {rattle: 0.1, samples: 8}
      test: {rattle: 0.1, samples: 4}
  potential:
    use: train
    data: ${data}
    model: {use: "surrogates.potentials.tensornet:TensorNet", r_max: 5.0}
    epochs: 2
  scores: {use: evaluate, calculator: "${potential}", data: ["${data.test}"], reference: "${data.reference}"}
"""


def check(text: str, folder: Path = Path()):
    return check_workflow(parse_yaml(text, name="w.yaml", folder=folder))


def test_the_good_one_is_good():
    workflow = check(GOOD)
    assert list(workflow.steps) == ["data", "potential", "scores"]
    assert workflow.steps["scores"].needs == ("data", "potential")
    assert workflow.steps["scores"].step.reference["sigma"] == 3.4  # a link into the file is what stands there


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("epochs: 2", "epoch: 2", "16:5", 'did you mean "epochs"'),
        ("epochs: 2", "epochs: two", "16:5", "'two' is text; accepted is a whole number at least 1"),
        ("epochs: 2", "epochs: 0", "16:5", "out of range"),
        ("epochs: 2", "epochs: true", "16:5", "true or false"),
        ("    epochs: 2\n", "", "12:3", "give one of epochs, steps, minutes"),
        ("use: train", "use: trian", "13:5", 'did you mean "train"'),
        ("r_max: 5.0}", "rmax: 5.0}", "15:63", 'did you mean "r_max"'),
        ("r_max: 5.0}", "r_max: far}", "15:63", "'far' does not fit"),
        ("tensornet:TensorNet", "tensornet:TensorNot", "15:13", "TensorNet"),
        ("surrogates.potentials.tensornet:TensorNet", "subprocess:Popen", "15:13", "may not be named"),
        ("surrogates.potentials.tensornet:TensorNet", "surrogates.x:subprocess", "15:13", "may not be named"),
        ("rc: 6.0}", "rc: 6.0, command: rm}", "8:93", "executables"),
        ("sigma: 3.4", "sgima: 3.4", "8:72", "sigma"),
        ("ase.calculators.lj:LennardJones", "ase.calculators.vasp:Vasp", "8:17", "list"),
        ("${data}", "${dat}", "14:5", 'did you mean "data"'),
        ("${data.test}", "${data.tset}", "17:62", 'did you mean "test"'),
        ("${data.test}", "${data", "17:62", "is no link"),
        ("${data.test}", "${potential}", "17:62", "is a trained surrogate; accepted is a file of structures"),
        ("${data.test}", "missing.extxyz", "17:62", "there is no file"),
        ("{bulk: Ar, cubic: true, a: 5.26}", '{file: "${scores}"}', "14:5", "circle"),
        ("name: small", "name: ../../x", "2:1", "is no name of a run"),
        ("name: small", "name: small\nname: other", "3:1", "duplicate"),
        ("surrogates: 1", "surrogates: 2", "1:1", "format 2"),
        ("potential.epochs: 1}", "potential.epochs: 1", "", "not valid YAML"),
    ],
)
def test_one_message_with_its_place(old, new, place, words):
    assert old in GOOD
    with pytest.raises(SurrogatesError) as caught:
        check(GOOD.replace(old, new, 1))
    assert f"w.yaml:{place}" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_alias_bombs_are_bounded():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 9))
    with pytest.raises(SurrogatesError, match="aliases"):
        check(bomb)
    with pytest.raises(SurrogatesError):
        check("a: &a [*a]\n")
    with pytest.raises(SurrogatesError, match="deep"):
        check("[" * 5000)


def test_settings_and_quick_name_what_exists():
    document = parse_yaml(GOOD, name="w.yaml", folder=Path())
    workflow = check_workflow(document, quick=True, settings={"data.walkers.train.samples": 3, "seed": 7})
    assert workflow.steps["potential"].step.epochs == 1
    assert workflow.steps["data"].step.walkers["train"].samples == 3
    assert workflow.head.seed == 7
    with pytest.raises(SurrogatesError, match=r"--set data.spcaing.*spacing"):
        check_workflow(parse_yaml(GOOD, name="w.yaml", folder=Path()), settings={"data.spcaing": 3})
    with pytest.raises(SurrogatesError, match='did you mean "data"'):
        check_workflow(parse_yaml(GOOD, name="w.yaml", folder=Path()), settings={"dta.spacing": 3})


def test_for_each_over_list_range_and_data_set():
    md = 'md: {use: dynamics, structures: "${data.test}", calculator: "${potential}", time: 5, for_each: %s}'
    for given, known in (("{temperature: [100, 300]}", 2), ("{seed: {range: [3]}}", 3)):
        assert check(GOOD + "  " + md % given + "\n").steps["md"].fan_out.known == known
    over = check(GOOD + "  " + md % '{structures: {dataset: "${data.test}", first: 2}}' + "\n").steps["md"]
    assert over.fan_out.pick(over.arguments, 1)["structures"] == "${data.test}#1"
    for wrong, words in (
        ("{temprature: [1]}", "temperature"),
        ("{temperature: [cold]}", "text"),
        ("{temperature: {range: [0, 5, 0]}}", "never ends"),
        ('{structures: {dataset: "${potential}"}}', "no file of structures"),
    ):
        with pytest.raises(SurrogatesError, match=words):
            check(GOOD + "  " + md % wrong + "\n")


def test_recipes_are_valid(tmp_path):
    for name, path in recipes().items():
        text = path.read_text(encoding="utf-8")
        for own in ("frames.extxyz", "fields.h5", "meshes", "circuit.qasm"):
            (tmp_path / own).write_text("", encoding="utf-8")
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        for quick in (False, True):
            assert load_workflow(tmp_path / f"{name}.yaml", quick=quick).name == name
