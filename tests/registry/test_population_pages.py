"""The pages that import populations: a preview that does nothing, then what somebody said yes to."""

from __future__ import annotations

import re
from io import BytesIO

import pytest

from registry.given import entries
from registry.site import CHANGE, READ, SAPPORO, Office, last_entry

# -- populations -----------------------------------------------------------------------------------


def upload(content: str | bytes, **values: str) -> dict[str, object]:
    told = {"as_of": "2026-01-01", "source": "住民基本台帳", **values}
    data = content if isinstance(content, bytes) else content.encode()
    return {**told, "file": (BytesIO(data), "人口.csv")}


def test_populations_are_taken_after_a_preview_that_does_nothing(office: Office) -> None:
    office.get("/organisations/population", READ, CHANGE)
    before = len(entries(office.database))
    preview = office.post(
        "/organisations/population", 200, **upload("団体コード,人口\n011002,1970000\n141003,3770000\n")
    )
    assert len(entries(office.database)) == before
    assert "1,970,000" in preview.text
    hidden = dict(re.findall(r'<input [^>]*name="(\w+)" type="hidden" value="([^"]*)"', preview.text))
    office.post("/organisations/population/apply", 303, **hidden)
    act = last_entry(office)
    assert (act["action"], act["detail"]["recorded"]) == ("registry:population:import", 2)  # type: ignore[index]
    assert office.organisation(SAPPORO).population == 1970000
    again = office.post("/organisations/population", 200, **upload("団体コード,人口\n011002,1970000\n"))
    assert "新しい値はありません" in again.text
    assert "/apply" not in again.text
    changed = office.post(
        "/organisations/population", 200, **upload("団体コード,人口\n011002,197\n141003,3770001\n", as_of="2026-02-01")
    ).text
    assert changed.index("札幌市") < changed.index("横浜市")


def test_wrong_lines_are_told_and_stop_all_unless_somebody_says_otherwise(office: Office) -> None:
    content = "code,population\n011002,1\n011003,5\n141003,many\n010006,\n"
    preview = office.post("/organisations/population", 200, **upload(content, as_of="2026-03-01")).text
    for told in ("011003", "141003", "010006", 'name="partial"'):
        assert told in preview
    hidden = dict(re.findall(r'<input [^>]*name="(\w+)" type="hidden" value="([^"]*)"', preview))
    office.post("/organisations/population/apply", 422, **hidden)
    assert last_entry(office)["outcome"] == "refused"
    assert office.organisation(SAPPORO).population != 1
    office.post("/organisations/population/apply", 303, **hidden, partial="y")
    assert office.organisation(SAPPORO).population == 1


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("nothing", {}),
        ("", {}),
        (b"\x00\x01", {}),
        ("団体コード,人口\n011002,1\n", {"as_of": "2027-01-01"}),
        ("団体コード,人口\n011002,1\n", {"source": " "}),
        ("団体コード,人口\n" + "011002,1\n" * 130_000, {}),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_at_its_field(
    office: Office, content: str | bytes, values: dict[str, str]
) -> None:
    assert "error-summary" in office.post("/organisations/population", 422, **upload(content, **values)).text


@pytest.mark.parametrize("wrong", [{"as_of": "soon"}, {"content": "§"}, {"content": ""}, {"name": ""}])
def test_what_comes_back_changed_is_not_taken(office: Office, wrong: dict[str, str]) -> None:
    right = {"name": "x.csv", "content": "Y29kZSxwb3B1bGF0aW9u", "as_of": "2026-01-01", "source": "s"}
    office.post("/organisations/population/apply", 422, **{**right, **wrong})
