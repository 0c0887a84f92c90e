"""What goes wrong in words that a user can act on."""

from __future__ import annotations


class TuilabelError(Exception):
    """Something the user can mend: the message is one line, says what is wrong and what to do.

    The command line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 1


class UsageError(TuilabelError):
    """The command was asked for something it does not know (exit code 2)."""

    exit_code = 2
