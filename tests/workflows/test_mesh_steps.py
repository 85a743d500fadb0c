"""Steps on meshes: from finite elements to surrogates side by side, their scores, a report; and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jaxtyping
import numpy as np
import pytest
import torch

from surrogates.datasets import Meshes, MeshPrediction, MeshSample
from surrogates.datasets.adapters.mesh_files import read_mesh, write_mesh
from surrogates.datasets.generators.mesh_solver import mesh_solver_of
from surrogates.physics.errors import SurrogatesError
from surrogates.simulation.verify_meshes import verify_meshes
from surrogates.workflows import mesh_measures
from surrogates.workflows.commands import model
from surrogates.workflows.desk import Desk
from surrogates.workflows.held_out import check_separate
from surrogates.workflows.held_out_plan import held_out_of
from surrogates.workflows.mesh_surfaces import surface
from surrogates.workflows.report import mesh_figures, mesh_training, meshes, meshes_criteria
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import render
from surrogates.workflows.report.verdict import judge
from surrogates.workflows.results import decode, encode
from surrogates.workflows.schema import load_workflow
from surrogates.workflows.steps.evaluate_mesh_surrogate import EvaluateMeshSurrogate
from surrogates.workflows.steps.fit_mmgp import FitMmgp
from surrogates.workflows.steps.generate_meshes import GenerateMeshes
from surrogates.workflows.steps.mesh_rollout import MeshRollout
from surrogates.workflows.steps.read_meshes import ReadMeshes
from surrogates.workflows.steps.train_mesh_surrogate import TrainMeshSurrogate

PARTS = {"train": {"samples": 16}, "valid": {"samples": 2}, "calibration": {"samples": 20}, "test": {"samples": 8}}
NET = {"use": "surrogates.meshes.mesh_graph_net:MeshGraphNet", "width": 8, "depth": 2}


@pytest.fixture(autouse=True, scope="module")
def quick():
    """One thread, and no checks of annotations, which would be most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
    torch.set_num_threads(before)


def run(step, folder):
    """All jobs, one after the other, and the result as it comes back from JSON."""
    folder.mkdir(exist_ok=True)
    desk = Desk(folder, device="cpu")
    for job in step.jobs():
        step.work(job, desk)
    found = step.finish(desk)
    return decode(type(found), encode(found))


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """The whole road once, at a size of seconds."""
    home = tmp_path_factory.mktemp("road")
    made = run(GenerateMeshes("plate", PARTS, {"size": 0.2}), home / "data")
    data = {name: str(home / "data" / part.file) for name, part in made.parts.items()}
    gp = run(FitMmgp(data, ["von_mises", "displacement"], restarts=1), home / "mmgp")
    told = {"target": ["von_mises", "displacement"], "coordinates": ["points", "distance:hole"], "steps": 12}
    net = run(TrainMeshSurrogate(data, NET, prescribed={"displacement": ["left"]}, lr=5e-3, **told), home / "net")
    files = [str(home / "mmgp" / gp.file), str(home / "net" / net.file)]
    step = EvaluateMeshSurrogate(files, data["test"], laws=False, verify=1e-6, coarser=[1, 2])
    return SimpleNamespace(home=home, data=data, made=made, gp=gp, net=net, files=files, scores=run(step, home / "s"))


def test_parts_are_independent_and_described(road):
    part = road.made["train"]
    assert (part.samples, part.dim, part.cells, part.frames) == (16, 2, ("triangle6",), 1)
    assert part.fields == {"displacement": 2, "stress": 3, "von_mises": 1}
    assert set(part.tags) == {"left", "right", "bottom", "top", "hole"}
    assert part.parameters["tension"] == (100.0, 100.0)
    check_separate(road.data["train"], {"${data.test}": road.data["test"]})
    with pytest.raises(SurrogatesError, match="16 of the 16 samples"):
        check_separate(road.data["train"], {"${data.train}": road.data["train"]})


def test_surrogates_stand_side_by_side_beside_what_knows_nothing_and_the_solver(road):
    assert road.scores.names == ("mmgp", "net")
    gp, net = (road.scores[name]["test"] for name in road.scores.names)
    assert gp.fields == net.fields == ("von_mises", "displacement")
    assert gp.trivial == net.trivial  # of the same truths
    assert gp.relative_l2["displacement"] < 0.3 * gp.trivial["displacement"]
    assert gp.relative_l2["von_mises"] < 0.7 * gp.trivial["von_mises"]
    assert gp.relative_l2["von_mises"] < net.relative_l2["von_mises"]
    assert 0.6 < gp.spread["von_mises"].coverage < 1.0
    assert gp.quantities["peak von_mises"].coverage is not None
    assert gp.galerkin > 1e-4  # no solution of the equations, and physics says so
    assert gp.indicator > gp.indicator_truth > 0
    told = json.loads((road.home / "s" / "measured.json").read_text())
    assert told["solver"][0]["error"]["displacement"] < 1e-8
    assert told["solver"][1]["error"]["displacement"] > 1e-5
    assert all(told["speed"][name]["first"] > 0 for name in road.scores.names)


def test_the_solver_finishes_what_a_surrogate_began(road):
    found = road.scores.certified["mmgp"]
    assert found.converged
    assert found.defect <= 1e-6
    assert found.iterations < found.alone
    assert 1e-4 < found.error < 1


def test_the_certified_field_is_the_solvers_whatever_was_said(road):
    data = Meshes.open(road.data["test"])[:2]
    truth = [s.fields["displacement"] for s in data]
    random = np.random.default_rng(0)
    said = [
        MeshPrediction(s, {"displacement": u + 1e-3 * random.normal(size=u.shape)})
        for s, u in zip(data, truth, strict=True)
    ]
    found = verify_meshes(said, data, tolerance=1e-10)
    for certified, u in zip(found.fields, truth, strict=True):
        np.testing.assert_allclose(certified, u, atol=1e-7 * np.abs(u).max())
    exact = verify_meshes(
        [MeshPrediction(s, {"displacement": u}) for s, u in zip(data, truth, strict=True)], data, tolerance=1e-8
    )
    assert (exact.iterations == 0).all()
    assert (exact.alone > 20).all()
    with pytest.raises(SurrogatesError, match="von_mises is predicted"):
        verify_meshes([MeshPrediction(s, {"von_mises": s.fields["von_mises"]}) for s in data], data)


def test_a_file_that_names_another_problem_has_no_solver(road):
    data = Meshes.open(road.data["test"])[:1]
    assert mesh_solver_of(data) is not None
    settings = data.provenance["settings"]
    for name, given in (("plates", settings), ("plate", None), ("plate", {}), ("plate", {**settings, "seed": 5}),
                        ("plate", {**settings, "loads": {"young": "os"}}), ("os:system", settings)):  # fmt: skip
        assert mesh_solver_of(Meshes(list(data), provenance={"name": name, "settings": given})) is None


def report_of(road, **changed):
    times = {"jobs": {}, **json.loads((road.home / "s" / "measured.json").read_text())}
    units = {
        "data": Finished("data", "generate_meshes", road.made, road.home / "data", {"generator": "plate"}, {}),
        "mmgp": Finished("mmgp", "fit_mmgp", road.gp, road.home / "mmgp", {}, {}),
        "net": Finished("net", "train_mesh_surrogate", road.net, road.home / "net", {}, {}),
        "scores": Finished("scores", "evaluate_mesh_surrogate", road.scores, road.home / "s", {}, times),
    }
    units |= {name: replace(units[name], result=result) for name, result in changed.items()}
    return FinishedRun("plates", road.home, {"steps": {}}, tuple(units.values()), {}, {})


def test_the_report_shows_it_and_stays_small(road):
    whole = report_of(road)
    data, gp, net, scores = whole.units
    sections = [*meshes.judged(scores, whole), mesh_training.processes(gp), mesh_training.training(net)]
    page = render("plates", judge(list(meshes_criteria.criteria(whole))), [*sections, mesh_training.data(data)], [])
    titles = ["How wrong it is", "Where it is wrong", "What its errors follow", "How sure it is"]
    titles += ["Physics says, statistics says", "Finished by the solver", "What it costs"]
    assert [s.title for s in sections][:7] == titles
    assert page.count("<svg") >= 10
    assert len(page) < 2e6
    assert "invested" in page


def test_the_verdict_follows_the_numbers(road):
    """A good surrogate is trusted; a wrong unit, shuffled fields and a handful of designs are not."""
    scores = road.scores["mmgp"]["test"]
    band = replace(scores.spread["von_mises"], coverage=0.9, terciles=(0.88, 0.9, 0.92), rank_correlation=0.6)
    good = replace(
        scores,
        samples=100,
        relative_l2={"von_mises": 0.03, "displacement": 0.01},
        trivial={"von_mises": 0.22, "displacement": 0.6},
        quantities={"peak von_mises": replace(scores.quantities["peak von_mises"], error=0.05)},
        spread={"von_mises": band},
    )

    def verdict(found, designs=120):
        result = replace(road.scores, scores={**road.scores.scores, "mmgp": {"test": found}}, laws={})
        run = report_of(road, scores=result, mmgp=replace(road.gp, train=designs))
        return judge(list(meshes_criteria.criteria(run)))

    assert verdict(good).answer == "yes", verdict(good).against
    assert verdict(good, designs=20).answer == "no"
    assert verdict(replace(good, samples=20)).answer == "no"
    assert verdict(replace(good, relative_l2={"von_mises": 0.3, "displacement": 0.01})).answer == "no"
    wide = replace(good, spread={"von_mises": replace(band, coverage=0.999, terciles=(1.0, 1.0, 1.0))})
    assert verdict(wide).answer == "with care"
    assert "error bars" not in verdict(wide).uses


def test_wrong_fields_score_as_wrong(road, tmp_path):
    """Stress in kPa instead of MPa, and that of other designs: errors of the size of the field itself."""
    data = Meshes.open(road.data["test"])

    class Says:
        def __init__(self, field):
            self.predict = lambda sample: MeshPrediction(sample, {"von_mises": field(sample)})

    exact = mesh_measures.scores(Says(lambda s: s.fields["von_mises"]), data, tmp_path / "a.npz")
    assert exact.relative_l2["von_mises"] == 0
    assert exact.quantities["peak von_mises"].error == 0
    kilo = mesh_measures.scores(Says(lambda s: 1e3 * s.fields["von_mises"]), data, tmp_path / "b.npz")
    assert kilo.relative_l2["von_mises"] == pytest.approx(999)
    other = mesh_measures.scores(Says(lambda s: s.fields["von_mises"][::-1]), data, tmp_path / "c.npz")
    assert other.relative_l2["von_mises"] > 0.8 * other.trivial["von_mises"]
    constant = mesh_measures.scores(Says(lambda s: np.full(len(s), 100.0)), data, tmp_path / "d.npz")
    assert constant.relative_l2["von_mises"] >= constant.trivial["von_mises"]


def test_a_folder_of_files_is_read_and_the_broken_one_named(road, tmp_path):
    folder = tmp_path / "own"
    for k, sample in enumerate(Meshes.open(road.data["train"])[:10]):
        write_mesh(replace(sample, fields={"von_mises": sample.fields["von_mises"]}), folder / f"plate-{k:02d}.vtu")
    (folder / "plate-03.vtu").write_text("<VTKFile", encoding="utf-8")
    found = run(ReadMeshes(str(folder), split={"train": 0.7, "test": 0.3}), tmp_path / "read")
    assert {name: part.samples for name, part in found.parts.items()} == {"train": 6, "test": 3}
    assert list(found.misfits) == ["plate-03.vtu"]
    unit = Finished("data", "read_meshes", found, tmp_path / "read", {"file": "own"}, {})
    page = render("own", judge([]), [mesh_training.data(unit)], [])
    assert "1 of 10 files were left out" in page
    assert "plate-03.vtu" in page


def test_commands_take_surrogates_and_meshes(road, tmp_path, capsys):
    mmgp, net, test = Path(road.files[0]), Path(road.files[1]), Path(road.data["test"])
    for file in (mmgp, net):
        model.evaluate_file(file, test, "energy", "forces", ())
        assert "von_mises" in capsys.readouterr().out
        with pytest.raises(SurrogatesError, match="16 of 16 meshes"):
            model.evaluate_file(file, Path(road.data["train"]), "energy", "forces", ())
    sample = Meshes.open(test)[0]
    write_mesh(replace(sample, fields={}, parameters={}), tmp_path / "new.vtu")
    told = [f"{name}={value!r}" for name, value in sample.parameters.items()]
    model.predict_file(mmgp, tmp_path / "new.vtu", tmp_path / "said.vtu", (), None, told)
    said = read_mesh(tmp_path / "said.vtu")
    assert {"von_mises", "von_mises_std", "displacement_std"} <= set(said.fields)
    assert (said.fields["von_mises_std"] > 0).all()
    model.predict_file(mmgp, test, tmp_path / "all", ())
    assert len(list((tmp_path / "all").glob("*.vtu"))) == 8
    capsys.readouterr()
    model.print_info(test)
    model.print_info(mmgp)
    out = capsys.readouterr().out
    assert "8 meshes of" in out
    assert "tags" in out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: replace(s, tags={**s.tags, "bolt": np.arange(len(s)) < 3}), "bolt"),
        (lambda s: replace(s, tags={n: t for n, t in s.tags.items() if n != "hole"}), "hole"),
        (lambda s: replace(s, parameters={n: v for n, v in s.parameters.items() if n != "poisson"}), "poisson"),
        (lambda s: replace(s, units={**s.units, "points": "mm"}), "mm"),
        (lambda s: replace(s, fields={"heat": s.fields["von_mises"]}), "has no field"),
    ],
)
def test_meshes_unlike_the_training_data_are_refused(road, tmp_path, change, says):
    sample = change(Meshes.open(road.data["test"])[0])
    Meshes([sample]).save(tmp_path / "other.h5")
    for file in road.files:
        with pytest.raises(SurrogatesError, match=says):
            model.evaluate_file(Path(file), tmp_path / "other.h5", "energy", "forces", ())


@pytest.mark.parametrize(("out", "says"), [("said.xyz", "written as .vtu"), ("none/said.vtu", "no folder")])
def test_a_target_that_cannot_be_written_is_refused_first(road, tmp_path, out, says):
    write_mesh(Meshes.open(road.data["test"])[0], tmp_path / "new.vtu")
    with pytest.raises(SurrogatesError, match=says):
        model.predict_file(Path(road.files[0]), tmp_path / "new.vtu", tmp_path / out, (), None, ())
    with pytest.raises(SurrogatesError, match=r"poisson=0\.3"):
        model.predict_file(Path(road.files[0]), tmp_path / "new.vtu", None, (), None, ("poisson",))


def histories():
    """Waves that travel over one small square, each at a speed of its own."""
    x, y = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 4), indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    number = np.arange(20).reshape(5, 4)
    cells = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]], axis=-1).reshape(-1, 4)
    times = np.arange(6.0)
    for k in range(24):
        wave = np.sin(3 * points[:, 0] + 0.1 * (1 + k / 24) * times[:, None])
        yield MeshSample(points * (1 + k / 100), {"quad": cells}, {"u": wave}, times=times, group=f"wave {k}")


def test_rollouts_stand_beside_no_change(tmp_path):
    data = Meshes(list(histories()))
    data[:20].save(tmp_path / "train.h5")
    data[20:].save(tmp_path / "test.h5")
    files = {"train": str(tmp_path / "train.h5")}
    step = TrainMeshSurrogate(files, NET, input="u[t]", target="u[t+1]", steps=60, lr=5e-3, tags=[])
    net = run(step, tmp_path / "net")
    file = str(tmp_path / "net" / net.file)
    rolled = run(MeshRollout(file, str(tmp_path / "test.h5")), tmp_path / "long")
    assert (rolled.histories, rolled.steps) == (4, 5)
    assert rolled.error["u"][0][0] == pytest.approx(rolled.single["u"][0])
    assert 0 < rolled.persistence["u"][0] < rolled.persistence["u"][-1]
    assert rolled.rmse["u"] > rolled.rmse_first["u"]
    unit = Finished("long", "mesh_rollout", rolled, tmp_path / "long", {}, {"rollout": {"step": 1e-3, "nodes": 20}})
    assert mesh_training.rollout(unit).blocks[2].svg.startswith("<svg")
    scores = run(EvaluateMeshSurrogate(file, str(tmp_path / "test.h5"), laws=False), tmp_path / "scores")
    found = scores["net"]["test"]
    assert found.frames == 20
    assert found.persistence["u"] > 0


def test_what_one_sees_of_solids_and_shells_is_their_skin():
    corners = np.array([[x, y, z] for z in (0.0, 1, 2) for y in (0.0, 1) for x in (0.0, 1)])
    bricks = np.array([[0, 1, 3, 2, 4, 5, 7, 6], [4, 5, 7, 6, 8, 9, 11, 10]])
    seen = surface(MeshSample(corners, {"hexahedron": bricks}))
    assert len(seen.triangles) == 20  # ten of twelve faces
    tetra = MeshSample(corners[:5], {"tetra": np.array([[0, 1, 2, 4]])})
    assert len(surface(tetra).triangles) == 4
    arrays = {
        "0_points": seen.points,
        "0_triangles": seen.triangles,
        "0_solid": np.ones(1),
        "0_u_truth": seen.nodes * 1.0,
    }
    assert mesh_figures.multiples(arrays, ["0"], "u", "truth", ["two bricks"]).startswith("<svg")


WORKFLOW = """
surrogates: 1
name: meshes
steps:
  data:
    use: generate_meshes
    generator: GENERATOR
    settings: {SETTINGS}
    parts: {train: {samples: 4}, test: {samples: 4}}
  mmgp: {use: fit_mmgp, data: "${data}", fields: [FIELD]}
  net:
    use: train_mesh_surrogate
    data: ${data}
    model: {use: "MODEL"}
    target: "TARGET"
    steps: 2
  scores: {use: evaluate_mesh_surrogate, surrogates: ["${mmgp}", "${net}"], data: "${data.test}"}
"""
GOOD = {"GENERATOR": "plate", "SETTINGS": "size: 0.2", "FIELD": "von_mises", "TARGET": "von_mises"}
GOOD |= {"MODEL": "surrogates.meshes.transformer:MeshTransformer"}


def written(folder, **changes):
    text = WORKFLOW
    for old, new in {**GOOD, **changes}.items():
        text = text.replace(old, new)
    path = folder / "meshes.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"GENERATOR": "plates"}, 'did you mean "plate"'),
        ({"SETTINGS": "sizes: 0.2"}, 'no argument "sizes"'),
        ({"SETTINGS": "seed: 3"}, 'no argument "seed"'),
        ({"GENERATOR": "burgers"}, "no generator"),
        ({"TARGET": "von_mises["}, "selects nothing"),
        ({"FIELD": "von_mises, von_mises"}, "one twice"),
        ({"MODEL": "surrogates.operators.fno:FNO"}, "surrogates.meshes"),
        ({"MODEL": "surrogates.meshes.plate_graph:PlateGraphNet"}, "train_plate_graph"),
        ({"${mmgp}": "${data}"}, "mesh parts|named files of meshes"),
    ],
)
def test_mistakes_are_found_before_anything_runs(tmp_path, change, says):
    with pytest.raises(SurrogatesError, match=says):
        load_workflow(written(tmp_path, **change))


def test_scored_rows_are_known_before_training(tmp_path):
    workflow = load_workflow(written(tmp_path))
    for step in ("mmgp", "net"):
        assert held_out_of(workflow, step) == (["${data.test}"], ["data"])
