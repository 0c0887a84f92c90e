"""Other users of the machine, whom root can try to be."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

import pytest


def as_user(uid: int, group: int, do: Callable[[], str]) -> str:
    """What `do` returns in a process of another user, who is in one more group; skips the test unless root runs it.

    The user has no entry in the list of users. What `do` needs must have been imported: the interpreter may be out of
    that user's reach.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    told, tell = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.setgroups([group])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.umask(0o022)
            os.write(tell, do().encode())
        except BaseException:
            os.write(tell, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(tell)
    os.waitpid(process, 0)
    with open(told, encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
        return file.read()
