"""The platform at work in front of a newcomer: all of it in a folder, or one thing at a time."""

from __future__ import annotations

from chukan.demo.cli import demo

__all__ = ["demo"]
