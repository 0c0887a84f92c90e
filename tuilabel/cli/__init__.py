"""The command line: parse, call, print.

Commands are imported when they are run (`group.py`), and import in turn what they need, so that `--help` is fast.
"""

from __future__ import annotations

import io
import locale
import os
import sys

import typer

from tuilabel.cli.app import app, mode
from tuilabel.cli.quick_help import load_help_printer
from tuilabel.errors import TuilabelError, printable

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line. Exit codes: 0 success, 1 failure with one clear line, 2 wrong usage."""
    _use_utf8()
    if not sys.argv[1:] or not {"--help", "-h"}.isdisjoint(sys.argv):
        load_help_printer()
    try:
        app()
    except TuilabelError as error:
        if mode.debug:
            raise
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if mode.debug:
            raise
        _fail(f"unexpected {type(error).__name__}: {error} (run `tuilabel --debug …` for the traceback)", 1)


def _use_utf8() -> None:
    """Read and write UTF-8 whatever the locale says, as later versions of Python do; only a terminal is written in its.

    Names of files and classes can hold any character, and our files must not depend on where they were written.
    """
    encoding = locale.getencoding()
    if encoding.lower().replace("-", "") == "utf8":
        return
    if not sys.flags.utf8_mode and sys.executable:
        os.environ["PYTHONUTF8"] = "1"  # of the processes that this one starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream.isatty() and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=encoding, errors="replace")


def _fail(text: str, code: int) -> None:
    line = printable(" ".join(text.split()))  # it may quote names from untrusted files
    typer.echo(f"tuilabel: {line}", err=True)
    sys.exit(code)
