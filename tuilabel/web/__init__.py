"""`tuilabel label` in a browser, for people without a terminal: pages, WebSockets, and a program for each of them."""

from __future__ import annotations

from tuilabel.web.access import Access

__all__ = ["Access"]
