"""``resource-tracker run`` and the command line around it, as the real console command."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli_harness import PYTHON, Cli, wait_until

from resource_tracker import ResourceTracker, TinyDataFrame
from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES

SIGNALLED = """\
import os, signal, sys
for number in map(int, sys.argv[1:]):
    signal.signal(number, lambda number, frame: os.write(1, b"got %d\\n" % number))
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(42))
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""
"""Says which signals it gets; SIGTERM ends it with 42."""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.mark.parametrize("verb", ["show", "review", "recommend"])
def test_a_metaflow_that_does_not_load_is_one_line(cli: Cli, verb: str) -> None:
    """Whatever goes wrong in it or in an extension of it: what failed, and what to do next."""
    package = cli.folder / "metaflow"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('no' + chr(10) + 'home')")
    done = cli(verb, "TrainFlow", env=cli.environment(PYTHONPATH=f"{cli.folder}:{Path(__file__).parent.parent}"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "resource-tracker: Metaflow cannot be loaded (RuntimeError: no home): see what `python -c 'import metaflow'` "
        "says\n"
    )


def measured(cli: Cli, *command: str, interval: str = "1") -> dict[str, Any]:
    """The JSON of a measured command."""
    done = cli("run", "--quiet", "--interval", interval, "--output", "out.json", "--", *command)
    assert done.returncode == 0, done.stderr
    found = json.loads((cli.folder / "out.json").read_text())
    assert isinstance(found, dict)
    return found


# --- the command is as it is without us --------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 7, 126, 127, 255])
def test_exit_code_is_the_commands(cli: Cli, code: int) -> None:
    """Whatever the command exits with, so do we, and nothing of ours is left."""
    assert cli("run", "--", "sh", "-c", f"exit {code}").returncode == code
    assert cli.leftovers() == []


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM", "SIGINT", "SIGPIPE", "SIGABRT"])
def test_death_by_signal_is_the_commands(cli: Cli, name: str) -> None:
    """A command that a signal kills ends us by the same signal, so that a shell says 128 + N; no second core dump."""
    number = signal.Signals[name]
    done = cli("run", "--output", "out.json", "--", "sh", "-c", f"kill -{number.value} $$")
    assert done.returncode == -number
    outcome = json.loads((cli.folder / "out.json").read_text())["outcome"]
    known = {key: value for key, value in outcome.items() if value is not None}
    assert known == {"status": "failed", "exception_type": f"killed by {name}", "caught": False}
    assert cli.leftovers() == []


def test_streams_pass_through(cli: Cli) -> None:
    """Standard input reaches the command, and its output comes out unchanged, without a word of ours in it."""
    done = cli("run", "--quiet", "--", "sh", "-c", "tr a-z A-Z; echo oops >&2", input="hello\n")
    assert (done.stdout, done.stderr) == ("HELLO\n", "oops\n")


def test_summary_goes_to_standard_error(cli: Cli) -> None:
    """The summary leaves standard output alone; it says how it went, what was used, and what to ask for."""
    done = cli("run", "--", PYTHON, "-c", "print('mine')")
    assert done.stdout == "mine\n"
    assert "Succeeded after" in done.stderr
    assert "@resources(cpu=1, memory=256)" in done.stderr
    assert "\x1b" not in done.stderr


def test_arguments_and_environment_pass_through(cli: Cli) -> None:
    """The command gets its arguments untouched, dashes too, and our environment with one variable more."""
    script = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    arguments = ["--quiet", "--", "", "a b", "$HOME"]
    done = cli("run", "--quiet", "--", PYTHON, "-c", script, *arguments)
    got, environment = json.loads(done.stdout)
    assert got == arguments
    bare = subprocess.run([PYTHON, "-c", script], env=cli.environment(), capture_output=True, text=True, check=True)
    (more,) = environment.items() - json.loads(bare.stdout)[1].items()
    assert more[0] == "METAFLOW_RESOURCE_TRACKER_MARKER"


def test_signal_dispositions_are_the_callers(cli: Cli) -> None:
    """What Python ignores (SIGPIPE), and what we block, is not handed on; what our caller ignored is."""
    script = "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status"
    bare = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert cli("run", "--quiet", "--", "sh", "-c", script).stdout == bare

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    options: dict[str, Any] = {"preexec_fn": ignore}
    ignoring = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, **options).stdout
    assert ignoring != bare
    done = cli("run", "--quiet", "--", "sh", "-c", script, **options)
    assert (done.stdout, done.returncode) == (ignoring, 0)


def test_only_standard_descriptors_are_inherited(cli: Cli) -> None:
    """The command finds open what we were given, and nothing of ours."""
    script = "import os; print(sorted(os.listdir('/proc/self/fd')))"
    bare = subprocess.run([PYTHON, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert cli("run", "--quiet", "--", PYTHON, "-c", script).stdout == bare.stdout


def test_command_stays_in_our_group(cli: Cli) -> None:
    """Who kills our process group kills the command, too."""
    script = "import os; print(os.getpgid(0) == os.getpgid(os.getppid()), os.getsid(0) == os.getsid(os.getppid()))"
    assert cli("run", "--quiet", "--", PYTHON, "-c", script).stdout == "True True\n"


def test_closed_streams(cli: Cli) -> None:
    """With all standard streams closed the command still runs, finds them closed, and we keep its exit code."""
    script = (
        "import os; is_open = [os.path.exists(f'/proc/self/fd/{number}') for number in range(3)]\n"
        "open('open.txt', 'w').write(str(is_open)); os._exit(0)"
    )
    command = " ".join(cli.command("run", "--", PYTHON, "-c", '"$0"'))
    shell = f"exec 0<&- 1>&- 2>&-; {command}; test $? = 0 && touch fine"
    subprocess.run(["sh", "-c", shell, script], cwd=cli.folder, env=cli.environment(), check=True)
    assert (cli.folder / "open.txt").read_text() == "[False, False, False]"
    assert (cli.folder / "fine").exists()


def test_broken_standard_error(cli: Cli) -> None:
    """Where nobody reads standard error, the exit code and the files are the same."""
    read, write = os.pipe()
    os.close(read)
    process = cli.start("run", "--output", "out.csv", "--", "sh", "-c", "exit 5", stderr=write)
    os.close(write)
    process.communicate()
    assert process.returncode == 5
    assert (cli.folder / "out.csv").read_text().count("\n") > 1


# --- commands that cannot begin ----------------------------------------------------------------


def executable(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_command_not_found(cli: Cli) -> None:
    """127, as in a shell, with one line; likewise for an empty name, and for a script whose interpreter is missing."""
    done = cli("run", "--", "no-such-command")
    assert (done.returncode, done.stderr) == (127, "resource-tracker: no-such-command: command not found\n")
    assert cli("run", "--", "").returncode == 127
    done = cli("run", "--", executable(cli.folder / "script", "#!/no/such/interpreter\n"))
    assert done.returncode == 127
    assert "its interpreter" in done.stderr
    assert cli.leftovers() == []


def test_command_not_executable(cli: Cli) -> None:
    """126, as in a shell, for a file without the right to be executed and for a folder."""
    path = executable(cli.folder / "data", "x", mode=0o644)
    done = cli("run", "--", path)
    assert (done.returncode, done.stderr.count("\n")) == (126, 1)
    done = cli("run", "--", str(cli.folder))
    assert (done.returncode, "is a directory" in done.stderr) == (126, True)
    assert cli.leftovers() == []


def test_script_without_first_line(cli: Cli) -> None:
    """A script that names no interpreter is run by the shell, as env and nice do."""
    path = executable(cli.folder / "script", "echo $0 $1; exit 4\n")
    done = cli("run", "--quiet", "--", path, "argument")
    assert (done.returncode, done.stdout) == (4, f"{path} argument\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "out.txt"], "unknown extension '.txt': give .json, .csv, .html"),
        (["--output", "fine.csv", "--output", "no/such/out.csv"], "there is no folder 'no/such'"),
        (["--output", "folder.csv"], "is a folder"),
        (["--interval", "0"], "interval='0' cannot be used"),
        (["--interval", "soon"], "interval='soon' cannot be used"),
        (["--interval", "86401"], "at most 86400 (a day)"),
    ],
)
def test_bad_options(cli: Cli, arguments: list[str], said: str) -> None:
    """Exit code 2 and one line, before the command runs and without a file."""
    (cli.folder / "folder.csv").mkdir()
    done = cli("run", *arguments, "--", "touch", "ran")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert [path.name for path in cli.folder.iterdir()] == ["folder.csv"]
    assert cli.leftovers() == []


@pytest.mark.parametrize("arguments", [["run"], ["run", "--"], ["run", "--quiet"]])
def test_no_command(cli: Cli, arguments: list[str]) -> None:
    """Without a command after ``--`` the line says how to write it."""
    done = cli(*arguments)
    assert done.returncode == 2
    assert done.stderr.endswith("put it after --, as in 'resource-tracker run -- python train.py'\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "python", "x.py"], "put -- before the command: resource-tracker run -- python x.py"),
        (
            ["run", "--quiet", "python", "-c", "print(1)"],
            "put -- before the command: resource-tracker run -- python -c 'print(1)'",
        ),
        (["run", "stray", "--", "true"], "unexpected 'stray' before --"),
        (["run", "--qiet", "--", "true"], "unrecognized argument --qiet: did you mean --quiet?"),
        (["run", "--otput=x.csv", "true"], "unrecognized argument --otput=x.csv: did you mean --output?"),
        (["run", "--zzz", "--", "true"], "unrecognized argument --zzz"),
        (["show", "Flow", "--jsn"], "unrecognized argument --jsn: did you mean --json?"),
    ],
)
def test_wrong_arguments(cli: Cli, arguments: list[str], said: str) -> None:
    """A forgotten ``--`` or a misspelt option: the verb's own usage, what was probably meant, and nothing is run."""
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: resource-tracker {arguments[0]} ")
    assert done.stderr.endswith(f"resource-tracker {arguments[0]}: error: {said}\n")


def test_without_metaflow(cli: Cli) -> None:
    """Where Metaflow is not installed, ``show`` says what to install."""
    (cli.folder / "metaflow.py").write_text("raise ImportError('No module named metaflow')")
    done = cli("show", "Flow", env=cli.environment(PYTHONPATH=f"{cli.folder}:{Path(__file__).parent.parent}"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install metaflow" in done.stderr


def test_full_disk(cli: Cli) -> None:
    """Output that cannot be written ends in one line and exit code 2, not in a traceback."""
    with open("/dev/full", "w") as full:
        process = cli.start("--version", stdout=full)
        _, said = process.communicate()
    assert (process.returncode, said) == (2, "resource-tracker: standard output: No space left on device\n")


def test_output_that_cannot_be_written_in_the_end(cli: Cli) -> None:
    """A folder that vanished meanwhile costs the file, not the exit code, nor the other files."""
    (cli.folder / "gone").mkdir()
    outputs = ["--output", "gone/out.json", "--output", "out.csv"]
    done = cli("run", "--quiet", *outputs, "--", "sh", "-c", "rmdir gone; exit 6")
    assert done.returncode == 6
    assert done.stderr == "resource-tracker: gone/out.json could not be written: No such file or directory\n"
    assert (cli.folder / "out.csv").exists()


# --- signals and the terminal ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH"])
def test_signals_reach_the_command(cli: Cli, name: str) -> None:
    """A signal sent to us reaches the command, which decides what becomes of it."""
    number = signal.Signals[name]
    process = cli.start("run", "--quiet", "--", PYTHON, "-c", SIGNALLED, str(int(number)))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == f"got {int(number)}\n"
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate()
    assert (process.returncode, rest) == (42, "")
    assert cli.leftovers() == []


def test_a_default_signal_ends_both(cli: Cli) -> None:
    """SIGTERM to us ends a command that does not handle it, and us by the same signal; the summary comes."""
    process = cli.start("run", "--", "sh", "-c", "echo ready; exec sleep 100")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    _, said = process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert "Failed: killed by SIGTERM" in said


def test_the_commands_own_signals_do_not_come_back(cli: Cli) -> None:
    """What the command sends to its whole group reaches it once, not a second time from us."""
    script = SIGNALLED.replace(
        "while True:", "os.kill(0, signal.SIGUSR1); os.kill(os.getppid(), signal.SIGUSR2)\nwhile True:"
    )
    numbers = [str(int(signal.SIGUSR1)), str(int(signal.SIGUSR2))]
    process = cli.start("run", "--quiet", "--", PYTHON, "-c", script, *numbers, start_new_session=True)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n", f"got {numbers[0]}\n"]
    process.send_signal(signal.SIGTERM)  # taken from our queue after those, as its number is higher
    rest, _ = process.communicate()
    assert (process.returncode, rest) == (42, "")


def test_interrupt_key_comes_once(cli: Cli) -> None:
    """The terminal's interrupt key signals the command itself: we do not send it a second time."""
    command = cli.command("run", "--quiet", "--", PYTHON, "-c", SIGNALLED, str(int(signal.SIGINT)))
    terminal = cli.on_terminal(*command)
    terminal.read_until("ready")
    os.kill(terminal.pid, signal.SIGSTOP)  # so that the command has done with it before we see it
    terminal.type("\x03")
    terminal.read_until("got 2")
    os.kill(terminal.pid, signal.SIGTERM)
    os.kill(terminal.pid, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(terminal.wait()) == 42, terminal.text
    assert terminal.text.count("got 2") == 1


def test_stop_key_and_foreground_again(cli: Cli) -> None:
    """The terminal's stop key stops us and the command, the shell says so, and fg continues both."""
    terminal = cli.on_terminal("bash", "--norc", "--noprofile", "-i")
    line = " ".join(cli.command("run", "--quiet", "--", "sh", "-c", "'echo rea''dy; read word; echo got $word'"))
    terminal.type(f"{line}\n")
    terminal.read_until("ready")
    terminal.type("\x1a")
    terminal.read_until("Stopped")
    family = psutil.Process(terminal.pid).children(recursive=True)
    assert {process.status() for process in family} == {psutil.STATUS_STOPPED}
    assert len(family) == 2
    terminal.type("fg\n")
    wait_until(lambda: psutil.STATUS_STOPPED not in {process.status() for process in family})
    terminal.type("word\n")
    terminal.read_until("got word")
    terminal.type("exit\n")
    assert os.waitstatus_to_exitcode(terminal.wait()) == 0
    assert cli.leftovers() == []


def test_stop_and_continue_sent_to_us(cli: Cli) -> None:
    """SIGTSTP and SIGCONT sent to us alone stop and continue the command with us."""
    process = cli.start(
        "run", "--quiet", "--", "sh", "-c", "echo $$; exec sleep 100", preexec_fn=lambda: os.setpgid(0, 0)
    )
    assert process.stdout is not None
    pair = [psutil.Process(process.pid), psutil.Process(int(process.stdout.readline()))]
    process.send_signal(signal.SIGTSTP)
    wait_until(lambda: {member.status() for member in pair} == {psutil.STATUS_STOPPED})
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: psutil.STATUS_STOPPED not in {member.status() for member in pair})
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == -signal.SIGTERM


def is_pending(pid: int, number: int) -> bool:
    """Whether a signal waits for a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_stopping_the_command_alone(cli: Cli) -> None:
    """SIGSTOP sent to the command alone does not stop us, so that SIGCONT sent to it alone is enough."""
    process = cli.start("run", "--quiet", "--", "sh", "-c", "echo $$; exec sleep 100")
    assert process.stdout is not None
    command = psutil.Process(int(process.stdout.readline()))
    command.suspend()
    wait_until(lambda: command.status() == psutil.STATUS_STOPPED)
    process.send_signal(signal.SIGTSTP)  # we pass it on once we have seen that the command stopped
    wait_until(lambda: is_pending(command.pid, signal.SIGTSTP))
    assert psutil.Process(process.pid).status() != psutil.STATUS_STOPPED
    command.resume()
    command.terminate()
    process.communicate()
    assert process.returncode == -signal.SIGTERM


def test_our_own_death_ends_the_sampler(cli: Cli) -> None:
    """Where we are killed, the command goes on, and the sampler ends and cleans up: nobody is left to read it."""
    process = cli.start("run", "--quiet", "--", "sh", "-c", "echo $$; exec sleep 100")
    assert process.stdout is not None
    command = psutil.Process(int(process.stdout.readline()))
    assert len(cli.samplers()) == 1
    process.kill()
    process.wait()
    wait_until(lambda: cli.leftovers() == [], timeout_s=5)
    assert command.is_running()
    command.kill()
    process.communicate()


def test_our_death_before_the_command_begins(cli: Cli) -> None:
    """Killed while the sampler starts, we leave nothing, and the command never begins."""
    for _ in range(5):
        process = cli.start("run", "--quiet", "--", "touch", "ran", start_new_session=True)
        wait_until(lambda: psutil.Process(process.pid).children() or process.poll() is not None)  # noqa: B023
        process.kill()
        process.communicate()
        wait_until(lambda: cli.leftovers() == [], timeout_s=5)
    running = [p.info for p in psutil.process_iter(["cmdline", "status"]) if p.info["status"] != psutil.STATUS_ZOMBIE]
    assert [found for found in running if str(cli.tmp) in " ".join(found["cmdline"] or ())] == []


def test_as_process_1(cli: Cli) -> None:
    """As process 1 of a container we measure in full, reap what the command leaves, and keep its exit code."""
    prefix = ("unshare", "-pf", "--mount-proc")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare -pf --mount-proc is not permitted here")
    script = "(sleep 0.05 &); (sleep 0.05 &); sleep 0.4; ps -o pid=,stat= -e; exit 9"
    done = cli("run", "--quiet", "--output", "out.json", "--", "sh", "-c", script, prefix=prefix)
    assert done.returncode == 9
    assert "Z" not in done.stdout
    assert json.loads((cli.folder / "out.json").read_text())["tracking"]["mode"] == "sampler"


# --- what is measured --------------------------------------------------------------------------


def test_a_command_of_50_ms_has_data(cli: Cli) -> None:
    """The first reading is before the exec and the last after the end: there is always a row, and a peak."""
    found = measured(cli, "sleep", "0.05")
    assert found["tracking"]["mode"] == "sampler"
    assert list(found["process_metrics"]) == list(PROCESS_NAMES)
    assert len(found["process_metrics"]["timestamp"]) == 1
    assert found["usage"]["duration_s"] >= 0.05
    assert 500 < found["usage"]["memory_peak_kib"] < 8000  # of sleep, not of the Python that became it


def test_memory_peak(cli: Cli) -> None:
    """A peak of 200 MB that lasts for a moment only is seen."""
    found = measured(cli, PYTHON, "-c", "bytearray(200_000_000)")
    assert 200e6 / 1024 < found["usage"]["memory_peak_kib"] < 240e6 / 1024


def test_memory_peak_of_a_short_child(cli: Cli) -> None:
    """Also in a child that the command waits for."""
    child = f"{PYTHON} -c 'bytearray(200_000_000)'"
    found = measured(cli, "sh", "-c", f"{child}; sleep 0.1")
    assert 200e6 / 1024 < found["usage"]["memory_peak_kib"] < 240e6 / 1024


def test_cpu_time_of_short_children(cli: Cli) -> None:
    """CPU time of 20 children of 50 ms each is counted, as the command itself counts it before its end."""
    script = (
        "import os, subprocess, sys, time\n"
        "spin = 'import time\\nwhile time.process_time() < 0.05: pass'\n"
        "for _ in range(20): subprocess.run([sys.executable, '-S', '-c', spin])\n"
        "times = os.times(); print(times.user + times.system + times.children_user + times.children_system)\n"
    )
    done = cli("run", "--quiet", "--output", "out.json", "--", PYTHON, "-c", script)
    truth_s = float(done.stdout)
    assert json.loads((cli.folder / "out.json").read_text())["usage"]["cpu_seconds"] == pytest.approx(truth_s, abs=0.1)


def test_an_orphan_is_followed(cli: Cli) -> None:
    """A daemon that left the command's tree is found by the variable in its environment."""
    script = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        daemon = 'import time; x = bytearray(200_000_000); time.sleep(1)'\n"
        "        os.execvp(sys.executable, [sys.executable, '-c', daemon])\n"
        "    os._exit(0)\n"
        "time.sleep(1)\n"
    )
    found = measured(cli, PYTHON, "-c", script, interval="0.2")
    assert max(value or 0 for value in found["process_metrics"]["memory"]) > 200e6 / 1024


def test_interval_acts(cli: Cli) -> None:
    """Shorter intervals give more rows."""
    found = measured(cli, "sleep", "0.6", interval="0.1")
    assert len(found["process_metrics"]["timestamp"]) >= 4


def test_nested_runs(cli: Cli) -> None:
    """Measured within measured: both have data, and the exit code passes through both."""
    inner = cli.command("run", "--quiet", "--output", "inner.json", "--", "sh", "-c", "sleep 0.3; exit 3")
    done = cli("run", "--quiet", "--output", "outer.json", "--", *inner)
    assert done.returncode == 3
    for name in ("inner.json", "outer.json"):
        assert json.loads((cli.folder / name).read_text())["usage"]["memory_peak_kib"] > 500
    assert cli.leftovers() == []


def test_where_no_sampler_can_start(cli: Cli) -> None:
    """Without a place for measurements the command runs all the same, and the summary says what is missing."""
    done = cli(
        "run", "--", "sh", "-c", "exit 8",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )  # fmt: skip
    assert done.returncode == 8
    assert "Failed: exit code 8" in done.stderr
    assert "Only readings at start and end were taken: no place for the measurements" in done.stderr


# --- what is written ---------------------------------------------------------------------------


def test_outputs_read_back(cli: Cli) -> None:
    """JSON is a snapshot, CSV a frame of every row of both frames, HTML a page; several in one run."""
    outputs = ["--output", "out.json", "--output", "out.csv", "--output", "OUT.HTML"]
    done = cli("run", "--interval", "0.1", "--title", "<my job>", *outputs, "--", "sleep", "0.35")
    assert [line for line in done.stderr.splitlines() if "wrote" in line] == [
        f"resource-tracker: wrote {name}" for name in ("out.json", "out.csv", "OUT.HTML")
    ]
    tracker = ResourceTracker.from_snapshot((cli.folder / "out.json").read_text())
    assert tracker.record.title == "<my job>"
    frame = TinyDataFrame(csv_file_path=cli.folder / "out.csv")
    assert frame.columns == [
        "timestamp",
        *(f"process_{name}" for name in PROCESS_NAMES[1:]),
        *(f"system_{name}" for name in SYSTEM_NAMES[1:]),
    ]
    assert len(frame) == len(tracker.process_metrics) >= 3
    assert frame["process_samples"] == tracker.process_metrics["samples"]
    page = (cli.folder / "OUT.HTML").read_text()
    assert page.startswith("<!") or page.startswith("<html")
    assert "&lt;my job&gt;" in page


def test_title_tells_no_secrets(cli: Cli) -> None:
    """Without ``--title`` it is the command and its script; other arguments may be secrets, and stay out."""
    (cli.folder / "job.py").write_text("")
    found = measured(cli, PYTHON, "-u", "job.py", "--token", "s3cr3t")
    assert found["title"] == f"{Path(PYTHON).name} job.py"
    assert "s3cr3t" not in json.dumps(found)


def test_live_status_on_a_terminal(cli: Cli) -> None:
    """On a terminal there is a live status at the right edge that leaves the command's half a line alone."""
    command = cli.command("run", "--", "sh", "-c", "printf half; sleep 2.5; echo ' whole'")
    terminal = cli.on_terminal(*command)
    assert os.waitstatus_to_exitcode(terminal.wait()) == 0
    assert "CPUs | " in terminal.text
    assert "\x1b7\x1b[999C" in terminal.raw
    assert "\x1b[2K" not in terminal.raw
    assert "Succeeded after" in terminal.text
    quiet = cli.on_terminal(*cli.command("run", "--no-live", "--", "sh", "-c", "sleep 1.5"))
    quiet.wait()
    assert "CPUs | " not in quiet.text
    assert "Succeeded after" in quiet.text


def test_live_status_keeps_off_other_programs(cli: Cli) -> None:
    """A full-screen program, or a password prompt, has taken the terminal out of line mode: no status then."""
    command = cli.command("run", "--", "sh", "-c", "stty -echo -icanon; sleep 2.5; stty sane")
    terminal = cli.on_terminal(*command)
    terminal.wait()
    assert "CPUs | " not in terminal.text
    assert "Succeeded after" in terminal.text


def test_colours_only_where_wanted(cli: Cli) -> None:
    """On a terminal the summary's headings are bold, but not with NO_COLOR."""
    pytest.importorskip("rich")
    command = cli.command("run", "--no-live", "--", "true")
    coloured = cli.on_terminal(*command)
    coloured.wait()
    assert "\x1b[1m" in coloured.raw
    dumb = cli.on_terminal("env", "TERM=dumb", *command)
    dumb.wait()
    assert "\x1b" not in dumb.raw


# --- the command line --------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["show", "--help"]])
def test_help_has_examples(cli: Cli, arguments: list[str]) -> None:
    """Every help ends with examples that can be copied."""
    done = cli(*arguments)
    assert done.returncode == 0
    assert "examples:\n  resource-tracker " in done.stdout


def test_help_loads_little(cli: Cli) -> None:
    """``--help`` loads no library and none of our records, so that it is quick."""
    script = (
        "import sys\nfrom resource_tracker.cli import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([PYTHON, "-c", script], env=cli.environment(), capture_output=True, text=True, check=True)
    heavy = {"metaflow", "jinja2", "rich", "requests", "dataclasses", "subprocess", "json", "resource_tracker.records"}
    assert heavy & set(done.stderr.split()) == set()


def test_version_and_no_verb(cli: Cli) -> None:
    """The version is the package's; without a verb the help goes to standard error."""
    done = cli("--version")
    assert done.stdout.startswith("resource-tracker ")
    done = cli()
    assert (done.returncode, done.stdout) == (2, "")
    assert "examples:" in done.stderr


def test_package_is_a_program(cli: Cli) -> None:
    """``python -m resource_tracker`` is the same command."""
    done = subprocess.run(
        [PYTHON, "-m", "resource_tracker", "--version"],
        env=cli.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == cli("--version").stdout
