"""`python -m tuilabel` is the `tuilabel` command."""

from __future__ import annotations

from tuilabel.cli import main

if __name__ == "__main__":
    main()
