"""The list of an event as CSV: the same rows, page by page, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from api.registrations.csv import COLUMNS, prefers_csv, to_csv
from tests.api.conftest import AwsClients, new_pipeline
from tests.support.builders import event_item
from tests.support.pipeline import Answer, Pipeline

PATH = "/events/e/registrations"
CSV = {"Accept": "text/csv"}


@pytest.fixture(scope="module")
def busy(aws_clients: AwsClients) -> Pipeline:
    """One seat: us1 cancelled, us2 confirmed, us3 to us5 waiting (us4 has no email), us6 rejected. Read only."""
    pipeline = new_pipeline(aws_clients)
    pipeline.add_event("e", 1, hasWaitlist=True, waitlistCapacity=3)
    for number in range(1, 7):
        name = f'N{number}, "the Ü"'
        user = {"userId": f"us{number}", "name": name} | ({"email": f"us{number}@example.org"} if number != 4 else {})
        assert pipeline.request("POST", "/users", user).status == 201
    pipeline.register("e", "us1", Prefer="respond-async"), pipeline.cancel("e", "us1", Prefer="respond-async")
    for number in range(2, 7):
        pipeline.register("e", f"us{number}", Prefer="respond-async")
    pipeline.run()
    return pipeline


def rows_of(answer: Answer) -> list[dict[str, str]]:
    """The rows, by column."""
    return list(csv.DictReader(io.StringIO(answer.body, newline="")))


def as_row(entry: dict[str, Any]) -> dict[str, str]:
    """Return the CSV row of an entry of the JSON list."""
    found = {name: entry["user"][name] for name in ("name", "email") if name in entry["user"]}
    return {column: str(({**entry, **found}).get(column, "")) for column in COLUMNS}


def test_form(busy: Pipeline) -> None:
    """`text/csv` with a header line, in UTF-8, lines end in CRLF, quotes only where they are needed."""
    answer = busy.request("GET", PATH, headers=CSV, status="waitlisted,rejected", limit=100)
    assert answer.status == 200
    assert answer.headers == {
        "Content-Type": "text/csv; charset=utf-8; header=present",
        "Vary": "Accept",
        "X-Request-Id": "request-1",
    }
    lines = answer.body.split("\r\n")
    assert lines[0] == "registrationId,eventId,userId,status,registeredAt,waitlistPosition,code,name,email"
    times = r"2026-01-01T00:00:0\d\.\d{6}Z"
    assert re.fullmatch(rf'reg_\w{{26}},e,us3,waitlisted,{times},1,,"N3, ""the Ü""",us3@example\.org', lines[1])
    assert re.fullmatch(rf'reg_\w{{26}},e,us4,waitlisted,{times},2,,"N4, ""the Ü""",', lines[2])
    assert re.fullmatch(
        rf'reg_\w{{26}},e,us6,rejected,{times},,waitlist-full,"N6, ""the Ü""",us6@example.org', lines[4]
    )
    assert (len(lines), lines[5], "\n" in "".join(lines)) == (6, "", False)


@pytest.mark.parametrize("status", [None, "cancelled", "confirmed,waitlisted", "rejected,cancelled,confirmed"])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_same_rows(busy: Pipeline, status: str | None, limit: int) -> None:
    """Page by page, by `Link` as by cursor, it has the rows of the JSON list, in their order."""
    query: dict[str, Any] = {"limit": limit} | ({} if status is None else {"status": status})
    pages = 0
    while True:
        asked = busy.request("GET", PATH, **query)
        exported = busy.request("GET", PATH, headers=CSV, **query)
        assert rows_of(exported) == [as_row(entry) for entry in asked.body["registrations"]]
        assert exported.headers.get("Link") == asked.headers.get("Link")
        pages += 1
        if asked.body["next"] is None:
            break
        query["cursor"] = asked.body["next"]
    assert "Link" not in exported.headers
    assert limit > 1 or pages > 1


def test_nobody(pipeline: Pipeline) -> None:
    """An event without registrations is a header line."""
    pipeline.add_event("e", 1)
    assert pipeline.request("GET", PATH, headers=CSV).body == ",".join(COLUMNS) + "\r\n"


def test_problems_stay_json(busy: Pipeline) -> None:
    """A refused request for CSV is a problem document."""
    for answer in (
        busy.request("GET", "/events/none/registrations", headers=CSV),
        busy.request("GET", PATH, headers=CSV, limit=0),
        busy.request("GET", PATH, headers=CSV, cursor="x"),
    ):
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.code in {"event-not-found", "invalid-request"}


def test_only_the_list_of_an_event(busy: Pipeline) -> None:
    """Other routes answer JSON, whatever is accepted."""
    for path in ("/events", "/events/e", "/users/us1", "/users/us1/registrations", "/events/e/registrations/us2"):
        answer = busy.request("GET", path, headers=CSV)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert "Vary" not in answer.headers


PREFERS_CSV = [
    "text/csv", "TEXT/CSV", "text/*", "text/csv;q=0.001", "text/csv, */*;q=0.9", "text/csv , application/json;q=0.5",
    "application/json;q=0.9,text/csv", "application/*;q=0.2, text/*;q=0.3", "*/*;q=0.1, text/csv;q=0.2",
    "application/json;q=0, */*", "text/csv; header=present", 'text/csv; charset="UTF-8"; q=1.000',
    "nonsense, text/csv",
]  # fmt: skip


@pytest.mark.parametrize("accept", PREFERS_CSV)
def test_prefers_csv(accept: str) -> None:
    """CSV is for whom `Accept` says so: by quality, and by the closest of the ranges that fit."""
    assert prefers_csv(accept)


PREFERS_JSON = [
    None, "", "*/*", "application/json", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/csv, application/json", "text/csv;q=0.5, application/json;q=0.5", "text/csv;q=0.5, */*", "text/csv;q=0",
    "text/csv;q=0, text/*", "*/*, text/csv;q=0.9", "application/json; charset=utf-8, text/csv;q=0.9", "text/csv;q=2",
    "text/csv;q=-1", "text/csv;q=0.1234", "text/csv;q=nan", "text", "text/csv x", '"text/csv"', "image/png",
]  # fmt: skip


@pytest.mark.parametrize("accept", PREFERS_JSON)
def test_prefers_json(accept: str | None) -> None:
    """JSON is for everybody else, also for whom it is not acceptable: RFC 9110 allows that."""
    assert not prefers_csv(accept)


HARMLESS = [
    "", "Ann", "a;b", "a; b=c", "ann-1", "1-1", "Ann = Bob", "'t Hooft", "O'Neill", "' quoted'", "1,5", "#", "“=1”",
    "a\n=1",
]  # fmt: skip
FORMULAS = [
    "=1+1", "+49 30", "-1", "@SUM(A1)", "\r=1", "\n=1", "\tx", "\rx", "\nx", "\uff1d1", "\uff0b1", "\uff0d1",
    "\uff201", " =1", "   +1", "\u00a0=1", "\u3000@x", "'=1", "''=1", "' =1", " '-1", "=", "-", "--x",
    '=HYPERLINK("https://evil.example","click")', "=cmd|' /C calc'!A0",
]  # fmt: skip


def exported(name: str) -> str:
    """A name as it comes out of the export."""
    [_, line] = csv.reader(io.StringIO(to_csv([{"user": {"name": name}}]), newline=""))
    return line[COLUMNS.index("name")]


INNER = {
    "Eve;=1": "Eve;'=1",
    "Eve;'=1": "Eve;''=1",
    "Eve; -1;+2": "Eve;' -1;'+2",
    "a\t@x": "a\t'@x",
    "\t=1": "'\t'=1",
    "=1;=2": "'=1;'=2",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name: str) -> None:
    """A text that is no formula is not changed."""
    assert exported(name) == name


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(name: str) -> None:
    """A formula, or a text that looks escaped already, gets an apostrophe in front."""
    assert exported(name) == f"'{name}"


@pytest.mark.parametrize("name", INNER)
def test_cells_within_cells(name: str) -> None:
    """The same holds after a semicolon or a tab, where some spreadsheets start a new cell."""
    assert exported(name) == INNER[name]


def test_the_way_back_is_unambiguous() -> None:
    """Of two different names the export never makes the same."""
    names = [*HARMLESS, *FORMULAS, *INNER]
    names += [f"'{name}" for name in names]
    assert len({exported(name) for name in names}) == len(set(names))


def test_every_column(pipeline: Pipeline) -> None:
    """Ids are cells too: those that begin with a dash are made harmless like names and addresses."""
    # No id or name is taken any more that begins like these, but earlier software took them.
    user: Any = {"userId": {"S": "-1-2"}, "name": {"S": "=1"}, "email": {"S": "+ann@example.org"}}
    pipeline.dynamodb.put_item(TableName=pipeline.tables.users, Item=user)
    pipeline.dynamodb.put_item(TableName=pipeline.tables.events, Item=event_item("-e", 1))
    pipeline.register("-e", "-1-2")
    [row] = rows_of(pipeline.request("GET", "/events/-e/registrations", headers=CSV))
    assert (row["eventId"], row["userId"], row["name"], row["email"]) == ("'-e", "'-1-2", "'=1", "'+ann@example.org")
