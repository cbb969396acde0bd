"""The console command ``resource-tracker``: one module for each verb, loaded when it is used."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import resource_tracker
from resource_tracker.cli.encoding import tolerate
from resource_tracker.cli.messages import PROGRAM, say
from resource_tracker.cli.parser import build_parser, parse
from resource_tracker.errors import ResourceTrackerError

WRONG_USAGE = 2
_STDERR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process where not given.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_missing_streams()
    tolerate(sys.stdout)
    tolerate(sys.stderr)
    try:
        try:
            return _dispatch(arguments)
        finally:
            sys.stdout.flush()  # a broken pipe or a full disk shows up here, not at exit; after --help, too
    except ResourceTrackerError as error:
        say(str(error))
        return WRONG_USAGE
    except BrokenPipeError:
        _give_up_output()  # the reader has what it wanted
        return 128 + signal.SIGPIPE
    except OSError as error:
        _give_up_output()
        say(f"{error.filename or 'standard output'}: {error.strerror or error}")
        return WRONG_USAGE
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)  # who waits for us sees the interrupt, not a mere exit code
        return 128 + signal.SIGINT


def _dispatch(arguments: list[str]) -> int:
    arguments, command = _split(arguments)
    options = parse(arguments, has_command=bool(command))
    if options.version:
        print(f"{PROGRAM} {resource_tracker.__version__}")
        return 0
    if options.verb == "run":
        from resource_tracker.cli.run import main as run

        return run(options, command)
    if options.verb == "show":
        from resource_tracker.cli.show import main as show

        return show(options)
    if options.verb == "review":
        from resource_tracker.cli.review import main as review

        return review(options)
    if options.verb == "recommend":
        from resource_tracker.cli.recommend import main as recommend

        return recommend(options)
    if options.verb == "why":
        from resource_tracker.cli.why import main as why

        return why(options)
    if options.verb == "catalog":
        from resource_tracker.cli.catalog import main as catalog

        return catalog(options)
    if options.verb == "record":
        from resource_tracker.cli.record import main as record

        return record(options)
    if options.verb == "replay":
        from resource_tracker.cli.replay import main as replay

        return replay(options)
    build_parser().print_help(sys.stderr)
    return WRONG_USAGE


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our own arguments, and the command of ``run`` after the first ``--``."""
    if arguments[:1] != ["run"] or "--" not in arguments:
        return arguments, []
    middle = arguments.index("--")
    return arguments[:middle], arguments[middle + 1 :]


def _give_up_output() -> None:
    """Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_missing_streams() -> None:
    """Where standard streams are closed: keep their numbers from files of ours, and ``print`` from another stream.

    Nothing of it is inherited: a command of ours finds them closed as before.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - for as long as we live
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
