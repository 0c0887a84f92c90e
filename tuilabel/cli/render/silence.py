"""Whether only results and errors are printed, in a module that imports nothing."""


class Silence:
    """Set by `--quiet`."""

    on = False
