"""The parser of the command line: help that fits the terminal, and refusals that say what was probably meant."""

from __future__ import annotations

import argparse
import re
import textwrap
from typing import Any, NoReturn

from resource_tracker.suggestions import closest, there_are

_EXPLAINED = re.compile(r"(?P<command>  \S.*?)  +(?P<about>\S.*)")
"""An example, and behind two spaces or more what it does."""


class HelpFormatter(argparse.HelpFormatter):
    """Wraps descriptions; keeps the lines of examples as far as there is room."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(line for given in text.splitlines() for line in self._lines(given, width, indent))

    def _lines(self, line: str, width: int, indent: str) -> list[str]:
        if len(indent + line) <= width or not line.strip():
            return [indent + line]
        found = _EXPLAINED.fullmatch(line)
        if found:
            return [indent + found["command"], *self._wrapped(found["about"], width, indent + " " * 6)]
        return self._wrapped(line, width, indent)

    def _wrapped(self, line: str, width: int, indent: str) -> list[str]:
        further = indent + " " * (len(line) - len(line.lstrip()))
        return textwrap.wrap(
            line,
            width,
            initial_indent=indent,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
        )


class Parser(argparse.ArgumentParser):
    """A parser that never takes part of an option's name for the whole of it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        defaults: dict[str, Any] = {"formatter_class": HelpFormatter, "allow_abbrev": False}
        super().__init__(*arguments, **defaults | options)

    def refuse_unknown(self, argument: str) -> NoReturn:
        """End the program: there is no such option."""
        known = [option for action in self._actions for option in action.option_strings]
        meant = closest(argument.partition("=")[0], known)
        self.error(f"unrecognized argument {argument}" + (f": did you mean {meant}?" if meant else ""))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            message = f"cannot be {value!r}{there_are(str(value), map(str, action.choices))}"
            raise argparse.ArgumentError(action, message)
