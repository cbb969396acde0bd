"""What is advised, as a diff of the flow's file: only arguments of its decorators change, however they are written."""

from __future__ import annotations

import ast
import os
import subprocess
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resource_tracker.decorator_edits import Amount, Rewritten, rewrite
from resource_tracker.errors import SourceError
from resource_tracker.flow_source import read_flow
from resource_tracker.source_diff import unified_diff
from resource_tracker.source_text import SourceText

CUT = {
    "cpu": Amount(advised=2, needed=2, asked=4),
    "memory": Amount(advised=4000, needed=1280, asked=8000),
}
AMOUNTS = ("cpu", "memory", "gpu")


def flow_of(decorators: str, head: str = "from metaflow import FlowSpec, batch, kubernetes, resources, step") -> str:
    """A file with a flow of one step, `work`, under the decorators."""
    indented = textwrap.indent(decorators, "    ")
    return f"{head}\n\nclass TrainFlow(FlowSpec):\n{indented}\n    @step\n    def work(self):\n        pass\n"


def rewritten(text: str | bytes, amounts: dict[str, Amount] = CUT, step: str = "work") -> tuple[bytes, Rewritten]:
    content = text.encode() if isinstance(text, str) else text
    source = SourceText("flow.py", content)
    found = rewrite(read_flow(source, "TrainFlow"), {step: amounts})
    return source.with_edits(found.edits), found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("@resources(cpu=4, memory=8000)", "@resources(cpu=2, memory=4000)"),
        ("@resources(memory=8000)", "@resources(memory=4000, cpu=2)"),
        ("@resources", "@resources(cpu=2)"),
        ("@resources()", "@resources(cpu=2)"),
        ("@resources(cpu='4', memory=\"8_000\")", "@resources(cpu='2', memory=\"4_000\")"),
        ("@resources( cpu = 4 ,memory=8e3, )", "@resources( cpu = 2 ,memory=4000, )"),
        ("@resources(cpu=(4), memory=8000)", "@resources(cpu=(2), memory=4000)"),
        (
            "@resources(\n    cpu=4,  # four\n    memory=8000,\n)",
            "@resources(\n    cpu=2,  # four\n    memory=4000,\n)",
        ),
        ("@resources(\n    memory=8000\n)", "@resources(\n    memory=4000,\n    cpu=2\n)"),
        ("@resources(\n    memory=8000,\n)", "@resources(\n    memory=4000,\n    cpu=2,\n)"),
        ("@resources(\n    memory=8000,  # much\n)", "@resources(\n    memory=4000,  # much\n    cpu=2,\n)"),
        ("@resources(\n    memory=8000  # much\n)", "@resources(\n    memory=4000,  # much\n    cpu=2\n)"),
        ("@resources(\n    memory=8000)", "@resources(\n    memory=4000,\n    cpu=2)"),
        ("@resources(\n    memory=8000\n    ,\n)", "@resources(\n    memory=4000\n    ,\n    cpu=2,\n)"),
        ("@resources(  # none\n)", "@resources(cpu=2  # none\n)"),
        ("@resources(memory=8000, \\\n    cpu=4)", "@resources(memory=4000, \\\n    cpu=2)"),
        ("@kubernetes(cpu=4, image='x', memory=8000)", "@kubernetes(cpu=2, image='x', memory=4000)"),
        ("@batch(memory=8000, cpu=4)", "@batch(memory=4000, cpu=2)"),
        ("@kubernetes(memory=8000)\n@resources(cpu=4)", "@kubernetes(memory=4000)\n@resources(cpu=2)"),
        ("@resources(cpu=4, memory=8000)\n@kubernetes", "@resources(cpu=2, memory=4000)\n@kubernetes"),
        ("@kubernetes(cpu=1, memory=8000)\n@resources(cpu=4)", "@kubernetes(cpu=1, memory=4000)\n@resources(cpu=2)"),
    ],
)
def test_decorators(before: str, after: str) -> None:
    """Numbers are replaced where they stand, missing ones added in the manner of the others; the rest stays."""
    content, found = rewritten(flow_of(before))
    assert content.decode() == flow_of(after)
    assert found.notes == {}


@pytest.mark.parametrize(
    ("asked", "advised", "needed", "given", "after"),
    [
        (8000, 4000, 1280, 4000, 4000),  # cut by half already: the rest after the next run
        (8000, 4000, 1280, 4400, 4400),  # within 10 %
        (8000, 4000, 1280, 4401, 4000),
        (8000, 4000, 1280, 1280, 1280),  # enough, and less than is advised
        (8000, 4000, 1280, 1279, 4000),
        (1000, 1900, 1900, 1000, 1900),
        (8000, 4000, 1280, 8001, 8001),  # changed since the runs: not cut by more than half
        (8000, 4000, 1280, 7000, 4000),
        (None, 1280, 1280, 1300, 1300),
    ],
)
def test_when_a_number_changes(asked: float | None, advised: int, needed: int, given: int, after: int) -> None:
    """What suffices within 10 % is left alone, what is too little raised; nothing is cut by more than half."""
    wanted = {"memory": Amount(advised=advised, needed=needed, asked=asked)}
    content, found = rewritten(flow_of(f"@resources(memory={given})"), wanted)
    assert content.decode() == flow_of(f"@resources(memory={after})")
    assert bool(found.notes) == (given == 8001)


def test_default_of_metaflow_is_cut() -> None:
    """Without ``memory=``, Metaflow asks for 4096 MB: where less is advised, it is said."""
    content, _ = rewritten(flow_of("@resources(cpu=2)"), {"memory": Amount(advised=2048, needed=300, asked=4096)})
    assert "@resources(cpu=2, memory=2048)" in content.decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("@resources\n@kubernetes(image='x')", "@resources(memory=2048)\n@kubernetes(image='x', memory=2048)"),
        ("@resources\n@batch", "@resources(memory=2048)\n@batch"),
        ("@batch", "@batch(memory=2048)"),
        ("@kubernetes(memory=2048)\n@resources", "@kubernetes(memory=2048)\n@resources(memory=2048)"),
    ],
)
def test_defaults_of_several_decorators(before: str, after: str) -> None:
    """Metaflow takes the larger of two: a default that is too large hides a number of the other decorator."""
    content, _ = rewritten(flow_of(before), {"memory": Amount(advised=2048, needed=300, asked=4096)})
    assert content.decode() == flow_of(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [("@kubernetes(gpu=1)", "@kubernetes(gpu=0)"), ("@resources(gpu=2, cpu=1)", "@resources(gpu=0, cpu=1)")],
)
def test_gpu_that_is_not_needed(before: str, after: str) -> None:
    """A GPU that is given up becomes ``gpu=0``; where none was asked for, nothing is said of it."""
    wanted = {"gpu": Amount(advised=0, needed=0, asked=float(before.split("gpu=")[1][0]))}
    assert rewritten(flow_of(before), wanted)[0].decode() == flow_of(after)
    assert rewritten(flow_of("@resources"), wanted)[0].decode() == flow_of("@resources")


def test_gpu_that_is_needed() -> None:
    """``None`` is no number and no expression: it is replaced."""
    wanted = {"gpu": Amount(advised=1, needed=1)}
    assert rewritten(flow_of("@resources(gpu=None)"), wanted)[0].decode() == flow_of("@resources(gpu=1)")


@pytest.mark.parametrize(
    ("decorator", "written", "after"),
    [
        ("@resources(cpu=4, memory=BASE * 2)", "memory=BASE * 2 of @resources (line 4)", "cpu=2, memory=BASE * 2"),
        ("@resources(cpu=4, memory=f'{x}')", "memory=f'{x}' of @resources (line 4)", "cpu=2, memory=f'{x}'"),
        ("@resources(cpu=4, memory=True)", "memory=True of @resources (line 4)", "cpu=2, memory=True"),
        ("@resources(cpu=4, **MORE)", "@resources (line 4) takes arguments by position or **", "cpu=2, **MORE"),
    ],
)
def test_expressions_are_left_alone(decorator: str, written: str, after: str) -> None:
    """What only the running flow knows is left alone, and said with what is advised; the numbers beside it change."""
    content, found = rewritten(flow_of(decorator))
    assert f"@resources({after})" in content.decode()
    (note,) = found.notes["work"]
    assert note.startswith(written)
    assert note.endswith("is left alone; advised: memory=4000")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("from metaflow import FlowSpec, step, resources as r", "r"),
        ("import metaflow\nfrom metaflow import *", "metaflow.resources"),
        ("import metaflow as mf\nfrom metaflow import FlowSpec, step", "mf.resources"),
        ("from metaflow import *", "resources"),
        ("try:\n    from metaflow import FlowSpec, step, resources\nexcept ImportError:\n    raise", "resources"),
    ],
)
def test_names_of_the_decorator(head: str, name: str) -> None:
    """Whatever the file calls it, it is found by where it was imported from."""
    content, _ = rewritten(flow_of(f"@{name}(cpu=4, memory=8000)", head))
    assert content.decode() == flow_of(f"@{name}(cpu=2, memory=4000)", head)


def test_somebody_elses_decorator_is_left_alone() -> None:
    """A decorator of the same name from elsewhere is not Metaflow's."""
    text = flow_of("@resources(cpu=4, memory=8000)", "from metaflow import FlowSpec, step\nfrom mine import resources")
    assert rewritten(text)[0].decode() == text
    assert not read_flow(SourceText("flow.py", text.encode()), "TrainFlow").knows_resources


@pytest.mark.parametrize(
    ("encoding", "first", "newline"),
    [
        ("utf-8", "", "\r\n"),
        ("utf-8-sig", "", "\n"),
        ("utf-8-sig", "# coding: utf-8", "\r\n"),
        ("latin-1", "# -*- coding: latin-1 -*-", "\n"),
        ("cp1252", "# vim: set fileencoding=cp1252 :", "\r\n"),
        ("utf-8", "#\f form feed \u2028 and separators \x85", "\n"),
        ("utf-8", "", "\r"),
    ],
)
def test_encodings_and_line_ends(encoding: str, first: str, newline: str) -> None:
    """Byte order mark, encoding and line ends stay; columns count characters, also behind wide ones."""
    before = first + "\n" + flow_of('@resources(cpu=4, memory=8000)  # "é"').replace("pass", "'é'; pass")
    before = before.replace("@resources(", "@resources(image='éü',\n\t")
    after = before.replace("cpu=4", "cpu=2").replace("memory=8000", "memory=4000")
    before_bytes, after_bytes = (text.replace("\n", newline).encode(encoding) for text in (before, after))
    assert rewritten(before_bytes)[0] == after_bytes


def test_added_lines_end_as_the_others() -> None:
    """A line that is added ends as the file's lines do, and begins with its neighbour's tabs."""
    text = flow_of("@resources(\n\t\tmemory=8000,\n)").replace("\n", "\r\n")
    assert rewritten(text)[0].decode() == text.replace("8000,\r\n", "4000,\r\n    \t\tcpu=2,\r\n")


def test_inherited_steps() -> None:
    """Steps of a base class in the same file are found, the nearest first; bases elsewhere are named."""
    text = textwrap.dedent("""\
        from metaflow import FlowSpec, resources, step
        from shared import Base, mixins
        class Common(FlowSpec):
            @resources(memory=1000)
            @step
            def start(self): pass
            @resources(memory=1000)
            @step
            def work(self): pass
        class TrainFlow(Common, Base, mixins.Other):
            if True:
                @resources(memory=8000)
                @step
                def work(self):
                    def end(self): pass
        class OtherFlow(Common): pass
        """)
    flow = read_flow(SourceText("flow.py", text.encode()), "TrainFlow")
    assert flow.inherits == ("Base", "mixins.Other")
    assert list(flow.steps) == ["start", "work"]
    assert flow.steps["start"].shared == "Common"
    assert flow.steps["work"].shared is None
    assert b"memory=8000" not in rewritten(text)[0]
    assert (
        read_flow(SourceText("flow.py", b"class TrainFlow(X): pass\nclass X(TrainFlow): pass"), "TrainFlow").steps == {}
    )


def test_a_step_in_two_branches_is_left_alone() -> None:
    """Nobody can tell from the file which of two methods of a name runs."""
    method = "        @resources(memory=8000)\n        def work(self): pass\n"
    text = f"from metaflow import resources\nclass TrainFlow:\n    if X:\n{method}    else:\n{method}"
    assert rewritten(text)[0].decode() == text
    flow = read_flow(SourceText("flow.py", text.encode()), "TrainFlow")
    assert (flow.steps["work"].line, flow.steps["work"].again_in) == (5, (8,))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"class Other: pass\nclass More: pass", "flow.py does not define the flow TrainFlow; it has Other, More"),
        (b"", "flow.py does not define the flow TrainFlow; it has no class at all"),
        (b"class TrainFlow: pass\nclass TrainFlow: pass", "defines TrainFlow more than once, in lines 1 and 2"),
        (b"x = 1\ndef f(:\n", "flow.py, line 2: "),
        (b"\xff\xfe", "flow.py is no Python file"),
        (b"# coding: latin-2000\n", "flow.py is no Python file: unknown encoding: latin-2000"),
        (b"# coding: utf-8\nx = '\xff'\n", "flow.py is no Python file"),
        (b"# coding: ascii\nx = 1\ny = '\xc3\xa9'\n", "no Python file in encoding ascii: byte 27"),
        (b"x = 1\0", "flow.py"),
        (b"x = " + b"(" * 5000, "flow.py"),
        (b"\x89PNG\r\n\x1a\n\0\0", "flow.py"),
    ],
)
def test_files_that_do_not_fit(content: bytes, said: str) -> None:
    """Another file, a broken one or none of Python: one line that says so."""
    with pytest.raises(SourceError) as caught:
        read_flow(SourceText("flow.py", content), "TrainFlow")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


# --- any file --------------------------------------------------------------------------------------

numbers = st.integers(0, 20_000)
values = st.one_of(
    numbers.map(str),
    numbers.map(lambda n: f"'{n}'"),
    numbers.map(lambda n: f"{n:_}"),
    numbers.map(lambda n: f"({n})"),
    st.sampled_from(["None", "0.5", "BASE", "2 * BASE", "-1", "'x'", "f(1)", "1e3"]),
)
spaces = st.sampled_from(["", " ", "  # é", "\n\t", "\n        ", "  # two\n\n        "])


@st.composite
def calls(draw: st.DrawFn, name: str) -> str:
    """A decorator in every manner of writing."""
    names = draw(st.permutations([*AMOUNTS, "disk"]).map(lambda names: names[: draw(st.integers(0, 4))]))
    if not names and draw(st.booleans()):
        return name
    arguments = [f"{argument}={draw(values)}" for argument in names]
    if draw(st.integers(0, 4)) == 0:
        arguments.append("**MORE")
    inner = ""
    for argument in arguments:
        before, after = draw(spaces), draw(spaces)
        before, after = (f"{gap}\n    " if "#" in gap.split("\n")[-1] else gap for gap in (before, after))
        inner += f"{before}{argument}{after},"
    if arguments and draw(st.booleans()):
        inner = inner[:-1]
    end = draw(st.sampled_from(["", " ", "\n    ", "  # end\n    "]))
    return f"{name}({inner}{end})"


@st.composite
def flows(draw: st.DrawFn) -> bytes:
    """A flow's file with a step, its decorators in any order."""
    names = draw(st.permutations(["resources", "kubernetes", "metaflow.batch", "card(type='é')"]))
    kept = names[: draw(st.integers(0, 4))]
    written = [f"@{name if '(' in name else draw(calls(name))}" for name in kept]
    head = "import metaflow\nfrom metaflow import *"
    text = flow_of("\n".join(written), head)
    ast.parse(text)
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode()


amounts = st.integers(0, 20_000).flatmap(
    lambda advised: st.builds(
        Amount, advised=st.just(advised), needed=st.integers(0, advised), asked=st.none() | numbers.map(float)
    )
)


def without_amounts(content: bytes) -> str:
    """The syntax tree without the arguments that may change."""
    tree = ast.parse(content)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for number, decorator in enumerate(node.decorator_list):
                if isinstance(decorator, ast.Call):
                    decorator.keywords = [k for k in decorator.keywords if k.arg not in AMOUNTS]
                    if not decorator.keywords:
                        node.decorator_list[number] = decorator.func
    return ast.dump(tree)


@settings(max_examples=300, deadline=None)
@given(content=flows(), wanted=st.fixed_dictionaries({name: amounts for name in AMOUNTS}))
def test_any_flow(content: bytes, wanted: dict[str, Amount]) -> None:
    """The result parses to the same but for the arguments, comments stay, and a second pass changes nothing."""
    after, found = rewritten(content, wanted)
    assert without_amounts(after) == without_amounts(content)
    comments = [line.partition(b"#")[2] for line in content.split(b"\n") if b"#" in line]
    assert [line.partition(b"#")[2] for line in after.split(b"\n") if b"#" in line] == comments
    assert (after == content) == (not found.edits)
    again, second = rewritten(after, wanted)
    assert (again, second.edits) == (after, ())


# --- diffs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", [["patch", "-p0"], ["git", "apply", "-p0"], ["git", "apply"], ["patch"]])
@pytest.mark.parametrize("name", ["flow.py", "my flow.py", "flöw.py"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_diff_is_applied_by_real_tools(tmp_path: Path, tool: list[str], name: str, ending: str) -> None:
    """`patch` and `git apply` turn the file into just the rewritten one, also without a last line's end."""
    text = flow_of("@resources(\n    cpu=4, memory=8000  # é\n)")
    before = text.replace("\n", ending).encode() if ending else text.rstrip("\n").encode()
    after, _ = rewritten(before)
    assert after != before
    (tmp_path / name).write_bytes(before)
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    diff = unified_diff(name, before, after)
    done = subprocess.run(tool, input=diff, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert (tmp_path / name).read_bytes() == after


def test_diff_of_equal_files_is_empty() -> None:
    """No change, no header."""
    assert unified_diff("flow.py", b"x = 1\n", b"x = 1\n") == b""


def test_names_that_need_quotes(tmp_path: Path) -> None:
    """A name with quotes or control characters is written as Git does, and found again."""
    name = 'a"b\tc.py'
    (tmp_path / name).write_bytes(b"x = 1\n")
    diff = unified_diff(name, b"x = 1\n", b"x = 2\n")
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    subprocess.run(["git", "apply", "-p0"], input=diff, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / name).read_bytes() == b"x = 2\n"
