"""Asking a person at a terminal, or reading the same answers from standard input, one on each line."""

from __future__ import annotations

import sys

import click


def ask(label: str) -> str:
    """Return the answer to *label* (already in the reader's language)."""
    return str(click.prompt(label, err=True)) if sys.stdin.isatty() else _line()


def ask_secret(label: str, *, twice: bool = False) -> str:
    """Return the answer to *label* without showing it; a person is asked *twice* where a slip would cost them."""
    if not sys.stdin.isatty():
        return _line()
    return str(click.prompt(label, hide_input=True, confirmation_prompt=twice, err=True))


def _line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise click.Abort
    return line.rstrip("\r\n")
