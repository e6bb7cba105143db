"""The command line: parse, call, show. Errors on one line, exit 2; a traceback only with ``--debug``."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from dreamscope.cli.allocator import keep_freed_memory
from dreamscope.cli.exits import FAULT, INTERRUPTED, REFUSED
from dreamscope.cli.output import note, remarks, waiting
from dreamscope.cli.threads import wait_briefly
from dreamscope.errors import DreamscopeError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 unexpected error, 2 refused, 130 interrupted."""
    from dreamscope.cli.app import application

    keep_freed_memory()
    wait_briefly()
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug = "--debug" in words
    if debug:
        words = [word for word in words if word != "--debug"]
    else:
        # Warnings of libraries are for developers, not for users.
        warnings.simplefilter("ignore")
    sys.exit(_run(application(words), words, debug=debug))


def _run(app: Callable[..., Any], words: list[str], *, debug: bool) -> int:
    try:
        with remarks():
            return int(app(words, standalone_mode=False, prog_name="dreamscope") or 0)
    except DreamscopeError as error:
        if debug:
            traceback.print_exc()
        return _fail(str(error), REFUSED)
    except KeyboardInterrupt:
        return _fail("stopped", INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) closed the pipe; keep Python from failing again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        if hasattr(error, "format_message"):
            return _fail(_usage(error), REFUSED)
        return _fail(f"unexpected {type(error).__name__}: {error} (--debug shows where)", FAULT)
    finally:
        waiting.ends()


_MEANT = {
    **dict.fromkeys(("--epochs", "--epoch", "--iterations", "--iters", "--n-iter"), "--steps"),
    **dict.fromkeys(("--lr", "--learning-rate", "--learning_rate", "--step-size"), "--rate"),
    **dict.fromkeys(("--layer", "--layers", "--channel"), "--at"),
}
"""Names that write-ups, Keras and lucid have for options, and what they are called here."""


def _usage(error: Exception) -> str:
    """Return typer's message about the command line itself, with the help to read."""
    context = getattr(error, "ctx", None)
    given = str(getattr(error, "option_name", ""))
    meant = _MEANT.get(given)
    if context is not None and any(meant in option.opts for option in context.command.params):
        as_address = ", as LAYER:CHANNEL" if given == "--channel" else ""
        return f"no option '{given}'; it is called {meant} here{as_address}"
    command = context.command_path if context is not None else "dreamscope"
    return f"{error.format_message().rstrip('.')}. See: {command} --help"  # type: ignore[attr-defined]


def _fail(message: str, code: int) -> int:
    note("dreamscope: " + " ".join(message.split()))
    return code
