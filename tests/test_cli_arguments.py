"""What the command line understands, how it explains itself, and how it refuses what it does not understand."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from resource_tracker.cli.arguments import Parser
from resource_tracker.cli.parser import build_parser, parse
from resource_tracker.suggestions import closest, there_are


def all_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser, and those of its verbs and their actions."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from all_parsers(inner)


@pytest.mark.parametrize("parser", list(all_parsers(build_parser())), ids=lambda parser: parser.prog)
def test_help_teaches_and_fits(parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 80 columns no line is longer; there is an example, whole enough to be pasted."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = parser.format_help().splitlines()
    assert max(map(len, lines)) <= 80
    examples = lines[lines.index("examples:") + 1 :]
    assert f"{examples[0]} ".startswith(f"  {parser.prog} ")
    given = [line for line in (parser.epilog or "").splitlines() if line.startswith("  resource-tracker ")]
    commands = [re.split(r"(?<=\S)  +", line)[0] for line in given]
    assert [line for line in commands if not any(shown.startswith(line) for shown in examples)] == []


def test_help_of_narrow_and_wide_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an example does stands beside it where there is room, else below it."""
    parser = Parser(prog="x", epilog="examples:\n  x one two      what that does, in a few words\n\n  plain")
    monkeypatch.setenv("COLUMNS", "100")
    assert parser.format_help().endswith("examples:\n  x one two      what that does, in a few words\n\n  plain\n")
    monkeypatch.setenv("COLUMNS", "30")
    assert parser.format_help().endswith("  x one two\n      what that does, in a\n      few words\n\n  plain\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recomend", "F"], "argument VERB: cannot be 'recomend': did you mean 'recommend'? There are run, show, "),
        (["zzz"], "argument VERB: cannot be 'zzz': there are run, show, review, recommend, why, catalog, replay"),
        (["recommend", "F", "--policy", "leen"], "cannot be 'leen': did you mean 'lean'? There are safe, lean"),
        (["review", "F", "--policy", "SAFE"], "cannot be 'SAFE': did you mean 'safe'?"),
        (["catalog", "serch"], "argument ACTION: cannot be 'serch': did you mean 'search'? There are show, search, "),
        (["catalog", "search", "--arch", "arm"], "did you mean 'arm64'? There are x86_64, arm64, any"),
        (["replay", "--synthetc", "1"], "unrecognized argument --synthetc: did you mean --synthetic?"),
        (["recommend", "F", "--estim"], "unrecognized argument --estim: did you mean --estimate?"),
    ],
)
def test_misspelt_words(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb, a choice or an option: what was probably meant, which there are, and exit status 2."""
    with pytest.raises(SystemExit) as ended:
        parse(arguments, has_command=False)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_there_are() -> None:
    """All of few names in their order, of many the most similar; one alone, and none."""
    assert there_are("asw", ["gcp", "aws"]) == ": did you mean 'aws'? There are gcp, aws"
    assert there_are("mars", ["gcp", "aws"]) == ": there are gcp, aws"
    assert there_are("TrainFlw", ["TrainFlow"]) == ": did you mean 'TrainFlow'?"
    assert there_are("mars", ["TrainFlow"]) == ": there is only TrainFlow"
    assert there_are("mars", []) == ": there are none"
    regions = [f"{place}-{number}" for place in ("us-east", "eu-west", "ap-south") for number in range(1, 5)]
    assert there_are("eu-wst-3", regions, 3) == (
        ": did you mean 'eu-west-3'? There are 12, such as eu-west-3, eu-west-1, eu-west-2"
    )
    assert closest("TRAINFLOW", ["TrainFlow"]) == "TrainFlow"
    assert closest("us-eest-1", ["us-east-1", "us-west-1"]) == "us-east-1"
    assert closest("us-eest-1", ["us-west-1", "us-east-1"]) == "us-west-1"
    assert closest("mars", ["us-east-1"]) is closest("mars", []) is None
