"""Steps on chains and circuits: from a Hamiltonian to a verdict, beside exact results; and what is refused."""

from dataclasses import replace
from types import SimpleNamespace

import jaxtyping
import numpy as np
import pytest
import torch

from surrogates.physics.errors import SurrogatesError
from surrogates.physics.lattice import exact, heisenberg, tfim
from surrogates.workflows import quantum_references
from surrogates.workflows.desk import Desk
from surrogates.workflows.quantum_ground import extrapolated
from surrogates.workflows.quantum_models import Chain
from surrogates.workflows.quantum_objects import entropies, made_model, made_start, read_state
from surrogates.workflows.report import quantum, quantum_criteria
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import render
from surrogates.workflows.report.verdict import judge
from surrogates.workflows.results import decode, encode
from surrogates.workflows.schema import load_workflow
from surrogates.workflows.steps.compile_circuit import CompileCircuit
from surrogates.workflows.steps.evaluate_quantum import EvaluateQuantum
from surrogates.workflows.steps.evolve import Evolve
from surrogates.workflows.steps.ground_state import GroundState
from surrogates.workflows.steps.measure_circuit import MeasureCircuit

XXZ = Chain(6, "xxz_pauli", {"delta": 0.5})
QASM = """OPENQASM 3.0;
include "stdgates.inc";
input angle theta;
qubit[5] q;
bit[5] c;
h q[0];
for int i in [0:3] { cx q[i], q[i+1]; }
ry(theta) q[2];
cz q[0], q[4];
c = measure q;
"""


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
    folder.mkdir(exist_ok=True, parents=True)
    desk = Desk(folder, device="cpu")
    for job in step.jobs():
        step.work(job, desk)
    found = step.finish(desk)
    return decode(type(found), encode(found))


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """Every step once, on chains of 5 to 12 sites."""
    home = tmp_path_factory.mktemp("quantum")
    (home / "mine.qasm").write_text(QASM, encoding="utf-8")
    steps = {
        "ground": GroundState(Chain(12, "heisenberg"), chi=[6, 10, 16], levels=2),
        "quench": Evolve(Chain(8, "heisenberg", {"delta": 0.0}), time=1.0, dt=0.1, chi=16),
        "target": Evolve(XXZ, time=0.4, dt=0.05, chi=16, every=2),
        "circuits": CompileCircuit(str(home / "target" / "state.h5"), XXZ, time=0.4, steps=[1], iterations=12, chi=16),
        "mine": MeasureCircuit(
            str(home / "mine.qasm"), {"theta": 0.7}, chi=16, shots=400, observables={"ZZ": [[1.0, "Z", 0, "Z", 1]]}
        ),
    }
    results = {name: run(step, home / name) for name, step in steps.items()}
    step = EvaluateQuantum([str(home / name / "record.json") for name in steps], small=6)
    results["scores"] = run(step, home / "scores")
    return SimpleNamespace(home=home, steps=steps, **results)


def test_the_ground_state_is_that_of_exact_diagonalisation(road):
    g = road.ground
    energy, levels = exact.ground_state(heisenberg(12), 2)[0], g.levels
    assert 0 < g.energy - energy[0] < 1e-4
    assert abs(g.extrapolated - energy[0]) < 0.7 * (g.energy - energy[0])
    assert levels[1] == pytest.approx(energy[1], abs=2e-3)
    assert [s.chi for s in g.searches] == [6, 10, 16, 16]
    assert g.starts_differ < 1e-6
    assert min(s.fidelity for s in g.searches if s.fidelity is not None) > 0.999
    state = read_state(str(road.home / "ground" / "state.h5"))
    torch.testing.assert_close(entropies(state)[4].item(), state.entanglement_entropy(5))


def test_the_line_to_variance_zero_is_that_of_the_last_two():
    assert extrapolated([(9.0, 99.0), (0.2, -0.9), (0.1, -0.95)]) == pytest.approx(-1.0)
    assert extrapolated([(0.1, -0.9), (0.2, -0.95)]) is None
    assert extrapolated([(0.1, -0.9)]) is None


def test_an_evolution_follows_free_fermions(road):
    with np.load(road.home / "quench" / road.quench.file) as arrays:
        np.testing.assert_allclose(arrays["Sz"], exact.xx_quench(8, arrays["time"]), atol=2e-5)
        assert len(arrays["time"]) == 11
    assert road.quench.energy_drift < 1e-6
    assert road.quench.chi_differs < 1e-3 < 0.01 > road.quench.dt_differs > 1e-7
    (free,) = [row for row in road.scores.of("quench") if row.by == "free fermions"]
    assert free.error < 2e-5
    assert free.whole


def test_an_evolution_goes_on_where_it_was_killed(road, tmp_path, monkeypatch):
    step = replace(road.steps["target"], check=False)
    monkeypatch.setattr("surrogates.workflows.quantum_evolution._SAVED", -1.0)
    monkeypatch.setattr("surrogates.workflows.quantum_evolution.evolved", breaks_after(2))
    with pytest.raises(KeyboardInterrupt):
        run(step, tmp_path)
    monkeypatch.undo()
    run(step, tmp_path)
    again, undisturbed = (read_state(str(f / "state.h5")) for f in (tmp_path, road.home / "target"))
    for a, b in zip(again.tensors, undisturbed.tensors, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def breaks_after(count):
    """`evolved`, so many times."""
    from surrogates.workflows.quantum_objects import evolved

    left = [count]

    def broken(*args, **kwargs):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return evolved(*args, **kwargs)

    return broken


def test_a_compiled_circuit_beats_trotter_and_its_file_says_so(road):
    (circuit,) = road.circuits.circuits
    same = next(t for t in road.circuits.trotter if t.cz_depth == circuit.cz_depth)
    assert circuit.infidelity < 0.5 * same.infidelity
    assert circuit.start == pytest.approx(same.infidelity, rel=1e-6)
    rows = {row.by: row.error for row in road.scores.of("circuits")}
    assert set(rows) == {"the file read again and simulated", "whole state vectors"}
    assert max(rows.values()) < 1e-8
    depths = [t.infidelity for t in road.circuits.trotter]
    assert depths == sorted(depths, reverse=True)


def test_a_circuit_of_ones_own_is_measured(road):
    values = {v.name: v for v in road.mine.values}
    assert values["ZZ"].value == pytest.approx(1.0, abs=1e-12)  # GHZ, turned on qubit 2 alone
    assert values["Z of qubit 2"].again == pytest.approx(0.0, abs=1e-12)
    assert sum(road.mine.counts.values()) == 400
    assert road.mine.worst_pull < 4.5
    assert road.mine.doubled < 1e-12
    assert max(row.error for row in road.scores.of("mine")) < 1e-12


def test_the_report_says_yes_and_shows_all(road):
    found = quantum_run(road)
    verdict = judge(list(quantum_criteria.criteria(found)))
    assert verdict.answer != "no", verdict.against
    sections = [s for unit in found.units if unit.use in quantum.STEPS for s in quantum.STEPS[unit.use](unit)]
    sections += [quantum.exact(unit) for unit in found.of("evaluate_quantum")]
    page = render("quantum", verdict, sections, [])
    assert page.count("<svg") >= 15
    for words in ("At variance zero", "free fermions", "cz depth", "Z of qubit 4", "whole state vectors"):
        assert words in page


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ground", {"starts_differ": 0.5}),
        ("ground", {"converged": False}),
        ("ground", {"variance": 1.0}),
        ("quench", {"chi_differs": 0.1}),
        ("quench", {"dt_differs": 0.1}),
        ("mine", {"fidelity": 0.6}),
    ],
)
def test_the_verdict_refuses_what_is_not_settled(road, name, change):
    spoilt = SimpleNamespace(**{**vars(road), name: replace(getattr(road, name), **change)})
    assert judge(list(quantum_criteria.criteria(quantum_run(spoilt)))).answer == "no"


def quantum_run(road):
    """As a run directory would be read."""
    uses = {"ground": "ground_state", "quench": "evolve", "target": "evolve", "circuits": "compile_circuit"}
    uses |= {"mine": "measure_circuit", "scores": "evaluate_quantum"}
    settings = {"ground": {"chi": [6, 10, 16]}}
    units = [Finished(n, u, getattr(road, n), road.home / n, settings.get(n, {}), {}) for n, u in uses.items()]
    return FinishedRun("quantum", road.home, {}, tuple(units), {}, {})


def test_a_spoilt_method_is_caught_on_the_shorter_chain(road, monkeypatch):
    from surrogates.workflows.quantum_objects import read_record

    chain = Chain(40, "heisenberg", {"delta": 0.5})
    record = {**read_record(str(road.home / "quench" / "record.json")), "model": vars(chain)}
    good = quantum_references.compared(record, "x", 6, Desk(road.home))
    assert good[-1].error < 1e-4
    assert not good[-1].whole
    wrong = made_model(Chain(6, "heisenberg", {"delta": 0.7}))
    honest = quantum_references.evolved
    monkeypatch.setattr(quantum_references, "evolved", lambda model, *a, **k: honest(wrong, *a, **k))
    assert quantum_references.compared(record, "x", 6, Desk(road.home))[-1].error > 1e-3


def test_closed_forms_are_those_of_exact_diagonalisation():
    for chain in (
        Chain(8, "tfim", {"J": 0.7, "h": 1.3}),
        Chain(8, "heisenberg", {"delta": 0.0, "j": 1.5}),
        Chain(8, "xxz_pauli", {"delta": 0}),
        Chain(8, "hopping", {"t": 0.8}),
    ):
        energy = quantum_references.lowest(made_model(chain))
        assert quantum_references.closed_form(chain) == pytest.approx(energy, abs=1e-10)
    assert quantum_references.closed_form(Chain(8, "heisenberg")) is None
    assert quantum_references.closed_form(Chain(8, "tfim", {"periodic": True})) is None
    in_sector = quantum_references.lowest(heisenberg(6), "Sz")
    assert in_sector == pytest.approx(quantum_references.lowest(heisenberg(6)), abs=1e-12)


def test_terms_make_the_same_model_as_a_name():
    terms = [row for n in range(5) for row in ([-1.0, "Z", n, "Z", n + 1],)] + [[-0.5, "X", n] for n in range(6)]
    mine, known = made_model(Chain(6, terms=terms)), tfim(6, h=0.5)
    assert abs(exact.matrix(mine) - exact.matrix(known)).max() < 1e-12


def test_starts():
    model = heisenberg(6)
    assert [int(t[0, 1, 0]) for t in made_start("domains", model, 0).tensors] == [0, 0, 0, 1, 1, 1]
    assert sum(int(t[0, 1, 0]) for t in made_start("shuffled", model, 0).tensors) == 3
    assert made_start(["up", "down"] * 3, model, 0).fidelity(made_start("neel", model, 0)) == pytest.approx(1.0)


GOOD = """surrogates: 1
name: mine
steps:
  ground: {use: ground_state, model: {name: heisenberg, length: 8}}
  quench: {use: evolve, model: "${ground.model}", state: "${ground.state}", time: 1.0, dt: 0.1}
  scores: {use: evaluate_quantum, results: ["${ground}", "${quench}"]}
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name: heisenberg,", "name: heisenburg,", "heisenberg"),
        ("length: 8", "length: 8, settings: {dleta: 1.0}", "delta"),
        ("length: 8", "length: 8, settings: {delta: strong}", "strong"),
        ("name: heisenberg,", "name: xxz_pauli,", "needs delta"),
        ("name: heisenberg,", "name: tfim, terms: [[1.0, Z, 0]],", "one of both"),
        ("name: heisenberg,", "terms: [[1.0, Z, 9]],", "site 9"),
        ("name: heisenberg,", "terms: [[1.0, Z]],", "is no term"),
        ("length: 8}", "length: 8}, starts: [nel]", "neel"),
        ("length: 8}", "length: 8}, starts: [[up, down]]", "2 states for 8 sites"),
        ("length: 8}", "length: 8}, chi: [64, 32]", "ascending"),
        ("length: 8}", "length: 8}, conserve: Sz, starts: [random]", "sector"),
        ("dt: 0.1", "dt: 0.3", "no multiple"),
        ('"${ground}"', '"${ground.state}"', "what a step on chains or circuits found"),
        ('"${ground.state}"', '"${ground}"', "a state of a chain"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(tmp_path, old, new, words):
    assert old in GOOD
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_workflow(path).name == "mine"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SurrogatesError, match=words) as caught:
        load_workflow(path)
    assert "mine.yaml" in str(caught.value)


def test_what_shows_only_when_it_runs_is_told(tmp_path, road):
    bad = replace(road.steps["mine"], parameters={})
    with pytest.raises(SurrogatesError, match="'theta' has no value"):
        run(bad, tmp_path / "a")
    bad = replace(road.steps["quench"], measure=["S+"])
    with pytest.raises(SurrogatesError, match="not Hermitian"):
        run(bad, tmp_path / "b")
    bad = replace(road.steps["circuits"], model=Chain(8, "xxz_pauli", {"delta": 0.5}))
    with pytest.raises(SurrogatesError, match="6 sites"):
        run(bad, tmp_path / "c")
    (tmp_path / "no.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(SurrogatesError, match="no record"):
        run(EvaluateQuantum(str(tmp_path / "no.json")), tmp_path / "d")
