"""What the text of a selection means, and what is refused."""

import numpy as np
import pytest

from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import DomainError
from surrogates.selection import parse, parse_all, span
from surrogates.tasks.channels import Channels, values

TIMES, POINTS = 7, 5
U = np.arange(TIMES)[:, None] + 100.0 * np.arange(POINTS)
A = np.linspace(1, 2, POINTS)
EXAMPLE = Trajectory(
    {"u": U, "end": U[-1:]}, np.arange(float(TIMES)), (np.arange(float(POINTS)),), (True,), constants={"a": A}
)


@pytest.mark.parametrize(
    ("text", "t", "expected"),
    [
        ("u[0]", 0, U[:1]),
        ("u[-1]", 0, U[-1:]),
        ("u[-2]", 0, U[5:6]),
        ("u[0:3]", 0, U[:3]),
        ("u[:3]", 0, U[:3]),
        ("u[4:]", 0, U[4:]),
        ("u[:]", 0, U),
        ("u[t]", 4, U[4:5]),
        ("u[t-2:t+1]", 4, U[2:5]),
        ("u[ t + 1 ]", 4, U[5:6]),
        ("a", 0, A[None]),
        ("end", 0, U[-1:]),
    ],
)
def test_frames_are_those_of_python_slices(text, t, expected):
    assert np.array_equal(values(EXAMPLE, parse(text), t), expected)
    assert np.array_equal(values(EXAMPLE, parse(str(parse(text))), t), expected)


@pytest.mark.parametrize("text", ["", "u[", "u[1.5]", "u[]", "u[0:1:2]", "u[t:3]", "u[t+2:t+1]", "[0]", "u[s]"])
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(DomainError, match="select"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "says"), [("u[9]", "7 frames"), ("u[-8]", "7 frames"), ("u[3:9]", "7 frames"), ("w[0]", "u, end, a")]
)
def test_what_the_data_lack_is_named(text, says):
    with pytest.raises(DomainError, match=says):
        values(EXAMPLE, parse(text))


def test_a_name_alone_is_ambiguous_with_many_frames():
    with pytest.raises(DomainError, match="say which"):
        values(EXAMPLE, parse("u"))
    with pytest.raises(DomainError, match="has no time"):
        values(EXAMPLE, parse("a[0]"))


def test_the_span_of_a_step_covers_history_and_target():
    assert span(parse_all(["u[t-9:t+1]", "u[t+1]", "a"])) == (-9, 2)
    assert span(parse_all("u[0]")) is None


def test_components_and_frames_become_channels_and_come_back():
    rng = np.random.default_rng(0)
    v = rng.normal(size=(TIMES, 4, 3, 2))
    s = rng.normal(size=(TIMES, 4, 3))
    both = Trajectory({"v": v, "s": s}, np.arange(float(TIMES)), (np.arange(4.0), np.arange(3.0)), (True, True))
    layout = Channels.of(parse_all(["v[t-1:t+1]", "s[t]"]), both)
    packed = layout.pack(both, 2)
    assert packed.shape == (5, 4, 3)
    assert np.array_equal(packed[0], v[1, ..., 0])
    assert np.array_equal(packed[1], v[1, ..., 1])
    assert np.array_equal(packed[3], v[2, ..., 1])
    import torch

    fields = layout.unpack(torch.from_numpy(packed)[None])
    assert np.array_equal(fields["v"][0].numpy(), v[1:3])
    assert np.array_equal(fields["s"][0].numpy(), s[2:3])
    again = Channels.from_table([b.selection for b in layout.blocks], layout.table(), 2)
    assert again == layout


@pytest.mark.parametrize("given", ["u[t1]", "u[1t]", "u[t:]", "u[0:4:2]", "u[]", "u[T]"])
def test_typos_are_not_guessed_at(given):
    with pytest.raises(DomainError, match="selects nothing"):
        parse_all(given)
