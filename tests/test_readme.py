"""The README says what is: its examples run, and its ladder is the registry's."""

import re
from pathlib import Path

import pytest

import sevenloops as sl

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_print_what_their_comments_say(example, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    for comment in re.findall(r"^print\(.*\)  # (.*)$", example, flags=re.MULTILINE):
        assert comment in printed


def test_there_are_examples():
    assert EXAMPLES


def test_the_ladder_is_the_registry():
    table = README.partition("\n## The ladder\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE)) == sl.algorithms()
