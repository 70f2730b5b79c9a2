"""The report that a vendor hands in: JSON for programs, or a page that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from lxml import etree
from lxml.html import builder as E  # noqa: N812 - as lxml's own documents call it

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.connections.connection_test.rules import Finding, Outcome, Result, Side
from chukan.tenants.middleserver.connections.connection_test.service import Report
from chukan.tenants.middleserver.formats.messages import Element

OUTCOMES = {Outcome.PASS: mark("passed"), Outcome.FAIL: mark("failed"), Outcome.SKIP: mark("not tested")}
SIDES = {Side.VENDOR: mark("this system"), Side.PLATFORM: mark("the platform, or the way to it")}
TITLE = mark("Connection test")
STEP_COLUMNS = (mark("Step"), mark("Result"), mark("What was seen"), mark("Source"))
FINDINGS = mark("What is wrong")
FINDING_COLUMNS = (mark("Step"), mark("Where"), mark("What is wrong"), mark("What to do"), mark("Whose affair"))
_STYLE = (
    "body{font-family:sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{border:1px solid #767676;padding:.3rem .5rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}th{background:#eee}"
    ".pass{color:#0b6b2c}.fail{color:#a4001d;font-weight:bold}.skip{color:#555}"
)


def write(report: Report, path: Path) -> None:
    """Write *report* to *path*: a page if its name ends with .html, else JSON."""
    if path.suffix.lower() in {".html", ".htm"}:
        path.write_text(page(report), "utf-8")
    else:
        path.write_text(json.dumps(report.shape(), ensure_ascii=False, indent=2), "utf-8")


def step_rows(results: Sequence[Result]) -> Iterator[tuple[Result, tuple[str, ...]]]:
    """Yield each result with the cells of its row."""
    for number, each in enumerate(results, 1):
        yield each, (f"{number}. {each.title}", text(OUTCOMES[each.outcome]), each.seen, each.source)


def finding_rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the row of each finding."""
    for number, result in enumerate(results, 1):
        for each in result.findings:
            yield f"{number}. {result.title}", _place(each), each.what, each.remedy, text(SIDES[each.side])


def verdict(report: Report) -> str:
    """Return the outcome of the whole in a line."""
    told = {outcome.value: number for outcome, number in report.counts().items()}
    counts = text("{done} passed, {wrong} failed, {left} not tested", done=told["pass"], wrong=told["fail"],
                  left=told["skip"])  # fmt: skip
    return text("PASS: {counts}", counts=counts) if report.passed else text("FAIL: {counts}", counts=counts)


def page(report: Report) -> str:
    """Return the report as a page of HTML."""
    rows = [
        E.TR(*(E.TD(cell, E.CLASS(result.outcome.value)) for cell in cells))
        for result, cells in step_rows(report.results)
    ]
    found = [E.TR(*(E.TD(cell) for cell in cells)) for cells in finding_rows(report.results)]
    parts = [
        E.H1(text(TITLE)),
        E.P(verdict(report), E.CLASS("pass" if report.passed else "fail")),
        E.TABLE(*(E.TR(E.TH(name), E.TD(told)) for name, told in about(report))),
        E.H2(text("Steps")),
        _table(list(map(text, STEP_COLUMNS)), rows),
    ]
    if found:
        parts += [E.H2(text(FINDINGS)), _table(list(map(text, FINDING_COLUMNS)), found)]
    head = E.HEAD(E.META(charset="utf-8"), E.TITLE(text(TITLE)), E.STYLE(_STYLE))
    document = E.HTML(head, E.BODY(*parts), lang=text("en"))
    return str(etree.tostring(document, method="html", doctype="<!DOCTYPE html>", encoding="unicode"))


def about(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what was tested, each with its name."""
    names = {
        "gateway": text("Gateway"),
        "organisation": text("Organisation"),
        "department": text("Department code"),
        "system": text("System id"),
        "version": text("Version of the tool"),
    }
    for key, value in report.about.items():
        yield names[key], value
    yield text("Tested at"), f"{as_tokyo(report.now):%Y-%m-%d %H:%M}"
    yield text("Fingerprint"), report.fingerprint or "-"


def _table(columns: Sequence[str], rows: Sequence[Element]) -> Element:
    table: Element = E.TABLE(E.THEAD(E.TR(*(E.TH(name) for name in columns))), E.TBODY(*rows))
    return table


def _place(finding: Finding) -> str:
    said = [finding.place, finding.error, finding.reference]
    return " ".join(each for each in said if each)
