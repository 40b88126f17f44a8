"""cli/usage: mistakes in the command line itself, told as all others are; the group that every command belongs to."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from nablac.cli.shared import telling
from nablac.errors import OptionError


class Commands(click.Group):
    """A group whose commands' options are refused in the project's form, not in click's."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        """The context of the group's own options."""
        with telling(), _translated(None):
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse and run a command."""
        with telling(), _translated(ctx):
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            raise OptionError(
                f"there is no command '{args[0]}'",
                expected=", ".join(known),
                remedy=_meant(args[0], known, ctx),
            )
        return super().resolve_command(ctx, args)


@contextmanager
def _translated(group: click.Context | None) -> Iterator[None]:
    """What click refuses, as an error of ours; that no command was given is no mistake, and shows the help."""
    try:
        yield
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        if error.ctx is None and group is not None and group.invoked_subcommand is not None:
            command = group.command.get_command(group, group.invoked_subcommand)  # type: ignore[attr-defined]
            error.ctx = click.Context(command, group, group.invoked_subcommand)
        raise _translation(error) from error


def _translation(error: click.UsageError) -> OptionError:
    match error:
        case click.NoSuchOption(option_name=name, ctx=ctx):
            known = [o for p in ctx.command.params for o in p.opts] if ctx else []
            return OptionError(f"there is no option {name}", remedy=_meant(name, known, ctx))
        case click.MissingParameter(param=click.Parameter() as parameter, ctx=ctx):
            kind = "argument" if isinstance(parameter, click.Argument) else "option"
            subject = f"the {kind} {_called(parameter)} is missing"
            return OptionError(subject, expected=_expected(parameter.type), remedy=_help(ctx))
        case click.BadParameter(param=click.Parameter() as parameter, ctx=ctx):
            subject = f"{_called(parameter)} has a value that cannot be used"
            return OptionError(
                subject, found=_found(error.message), expected=_expected(parameter.type), remedy=_help(ctx)
            )
    message = error.format_message().rstrip(".")
    return OptionError(message[:1].lower() + message[1:], remedy=_help(error.ctx))


def _called(parameter: click.Parameter) -> str:
    """SPEC, or an option by its longest name."""
    if isinstance(parameter, click.Argument):
        return parameter.metavar or (parameter.name or "").upper()
    return max(parameter.opts, key=len)


def _found(message: str) -> str:
    """The value alone, where click quotes it, else what click says of it."""
    quoted = re.match(r"'(.*)' is not |(\S+) is not in the range", message, re.DOTALL)
    return (quoted[1] or quoted[2] or "nothing") if quoted else message.rstrip(".")


def _expected(kind: Any) -> str | None:
    match kind:
        case click.Choice(choices=choices):
            return ", ".join(map(str, choices))
        case click.IntRange() | click.FloatRange():
            number = "a whole number" if isinstance(kind, click.IntRange) else "a number"
            if kind.min is not None and kind.max is not None:
                return f"{number} of {kind.min} to {kind.max}"
            return f"{number} from {kind.min} on" if kind.min is not None else f"{number} up to {kind.max}"
        case click.Path(dir_okay=False):
            return "a file"
        case click.Path(file_okay=False):
            return "a folder"
    return {"integer": "a whole number", "float": "a number"}.get(kind.name)


def _meant(name: str, known: list[str], ctx: click.Context | None) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}? {_help(ctx)}" if near else _help(ctx)


def _help(ctx: click.Context | None) -> str:
    """``nablac inspect --help lists the options``, however the program was started."""
    words: list[str] = []
    while ctx is not None and ctx.parent is not None:
        words.insert(0, ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(["nablac", *words, "--help"]) + (" lists the options" if words else " lists the commands")
