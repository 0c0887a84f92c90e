"""The version, in a module that imports nothing."""

__version__ = "0.1.0"
SCHEMA = 1
"""The version of the JSON documents of commands: it grows when a key is gone or changes its meaning."""
