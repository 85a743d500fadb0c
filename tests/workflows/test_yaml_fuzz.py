"""Damaged workflow files: a clear error or a valid workflow, never anything else."""

import random

import pytest

from surrogates.physics.errors import SurrogatesError
from surrogates.workflows.recipes_list import recipes
from surrogates.workflows.schema import check_workflow
from surrogates.workflows.yaml_file import parse_yaml

_BITS = ["{", "}", "[", "]", ":", "&a", "*a", "!!python/object", "- ", "\t", "\x00", "é", "${", "}", "#", "|", ">", "?"]
_BITS += ["<<: *a", "1e999", ".nan", "2001-99-99", "0o9", "~", "null", "true", "---", "...", "%YAML 9.9", "'", '"']


def mutated(text: str, seed: int) -> str:
    """`text` with a few random bits inserted, lines removed, doubled or swapped, or its end cut off."""
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 4)):
        lines, at = text.split("\n"), rng.randrange(len(text) or 1)
        row = rng.randrange(len(lines))
        text = rng.choice(
            [
                text[:at] + rng.choice(_BITS) + text[at:],
                text[:at] + text[at + rng.randint(1, 8) :],
                text[:at] if rng.random() < 0.3 else text[:at] + chr(rng.randrange(1, 0x2FF)) + text[at + 1 :],
                "\n".join(lines[:row] + lines[row + 1 :]),
                "\n".join([*lines[: row + 1], *lines[row:]]),
                "\n".join([*lines[:row], " " * rng.randint(1, 5) + lines[row], *lines[row + 1 :]]),
            ]
        )
    return text


@pytest.mark.parametrize("block", range(4))
def test_two_hundred_mutations(block, tmp_path):
    text = recipes()["lennard-jones"].read_text(encoding="utf-8")
    messages = []
    for seed in range(50 * block, 50 * block + 50):
        try:
            check_workflow(parse_yaml(mutated(text, seed), name="w.yaml", folder=tmp_path))
        except SurrogatesError as error:
            messages.append(str(error))
    assert len(messages) > 10
    assert all("w.yaml" in text and len(text.splitlines()) == 1 for text in messages)


def test_not_utf8(tmp_path):
    from surrogates.workflows.yaml_file import read_yaml

    (tmp_path / "w.yaml").write_bytes(b"surrogates: 1\nname: \xff\xfe\n")
    with pytest.raises(SurrogatesError, match="UTF-8"):
        read_yaml(tmp_path / "w.yaml")
