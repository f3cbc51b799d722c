"""Check that an update from the last release to today's templates can be deployed and keeps stored data."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra import releases
from tests.infra.releases import RECORD, STAGES, breaks, collisions, losses, names, stateful

Resources = dict[str, dict[str, Any]]
Change = Callable[[Resources], object]
INDEXES = "GlobalSecondaryIndexes"


@pytest.fixture(scope="module")
def prod(templates: dict[str, dict[str, Any]]) -> Resources:
    """Return production's stateful resources of today."""
    return stateful(templates["prod"])


@pytest.mark.parametrize("name", STAGES)
def test_the_last_release_can_be_updated(templates: dict[str, dict[str, Any]], name: str) -> None:
    """No stateful resource of the last release is deleted or replaced, no table gains or loses more than one index at
    once, and no name moves to another logical id."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if found := breaks(record, name, templates[name]):
        heading = f"An update of a {name} stack from release {record['version']} ({RECORD.name}) to today's template:\n"
        pytest.fail(heading + "\n".join(found), pytrace=False)


def test_stateful_resources(prod: Resources) -> None:
    """The record has tables, queues, logs, the pool with client and groups, the topic with its key, and the API."""
    assert {kind.removeprefix("AWS::") for kind in {entry["Type"] for entry in prod.values()}} == {
        "ApiGatewayV2::Api", "Cognito::UserPool", "Cognito::UserPoolClient", "Cognito::UserPoolGroup",
        "DynamoDB::Table", "KMS::Key", "Logs::LogGroup", "SNS::Topic", "SQS::Queue",
    }  # fmt: skip


POOL, QUEUE = "AWS::Cognito::UserPool", "AWS::SQS::Queue"


def _properties(resources: Resources, which: str) -> dict[str, Any]:
    """Return the properties of a resource by its logical id, or of the first one of a type."""
    name = next(name for name, entry in resources.items() if which in (name, entry["Type"]))
    properties: dict[str, Any] = resources[name]["Properties"]
    return properties


def _set(which: str, **changes: object) -> Change:
    return lambda resources: _properties(resources, which).update(changes)


def _set_index(**changes: object) -> Change:
    return lambda resources: _properties(resources, "RegistrationsTable")[INDEXES][0].update(changes)


def _add_indexes(count: int) -> Change:
    def change(resources: Resources) -> None:
        indexes = _properties(resources, "RegistrationsTable")[INDEXES]
        indexes += [indexes[0] | {"IndexName": f"Index{number}"} for number in range(count)]

    return change


BREAKING: list[tuple[str, Change]] = [
    ("UsersTable (AWS::DynamoDB::Table) is gone", lambda all_: all_.update(Moved=all_.pop("UsersTable"))),
    ("CloudFormation refuses that", lambda all_: all_["UsersTable"].update(Type="AWS::DynamoDB::GlobalTable")),
    ("LedgerTable (AWS::DynamoDB::Table): KeySchema was", _set("LedgerTable", KeySchema=[])),
    (
        "attribute eventId was of type S and is of type N",
        _set("LedgerTable", AttributeDefinitions=[{"AttributeName": "eventId", "AttributeType": "N"}]),
    ),
    ('QueueName was null and is "q.fifo"', _set(QUEUE, QueueName="q.fifo")),
    ("FifoQueue was true and is false", _set(QUEUE, FifoQueue=False)),
    ("LogGroupName was", _set("AWS::Logs::LogGroup", LogGroupName="x")),
    ("the stream would be replaced", _set("LedgerTable", StreamSpecification={"StreamViewType": "NEW_AND_OLD_IMAGES"})),
    ("Cognito refuses to change this", _set(POOL, AliasAttributes=["email", "preferred_username"])),
    ("Schema was", _set(POOL, Schema=[])),
    ("GenerateSecret was false", _set("AWS::Cognito::UserPoolClient", GenerateSecret=True)),
    ("the indexes Index0, Index1 come or go at once", _add_indexes(2)),
    ("the indexes Index, UserRegistrationsIndex come or go at once", _set_index(IndexName="Index")),
    ("the index UserRegistrationsIndex was", _set_index(Projection={"ProjectionType": "ALL"})),
    ("DeletionPolicy was Retain and is Delete", lambda all_: all_["UsersTable"].update(DeletionPolicy="Delete")),
]


@pytest.mark.parametrize(("finding", "change"), BREAKING, ids=[finding for finding, _ in BREAKING])
def test_breaking_changes(prod: Resources, finding: str, change: Change) -> None:
    """Each change that loses data, or that no update can make, is found once."""
    later = copy.deepcopy(prod)
    change(later)
    (found,) = losses(prod, later)
    assert finding in found


HARMLESS: dict[str, Change] = {
    "another index": _add_indexes(1),
    "one index less": lambda all_: _properties(all_, "RegistrationsTable")[INDEXES].pop(),
    "another table": lambda all_: all_.update(Notes=copy.deepcopy(all_["UsersTable"])),
    "another user attribute": lambda all_: _properties(all_, POOL)["Schema"].append({"Name": "club"}),
    "another retention period": _set(QUEUE, MessageRetentionPeriod=60),
    "retained except on create": lambda all_: all_["UsersTable"].update(DeletionPolicy="RetainExceptOnCreate"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_harmless_changes(prod: Resources, change: Change) -> None:
    """A change that CloudFormation makes in place is no finding."""
    later = copy.deepcopy(prod)
    change(later)
    assert later != prod
    assert losses(prod, later) == []


@pytest.mark.parametrize("kind", releases.NAMED)
def test_moved_names(templates: dict[str, dict[str, Any]], kind: str) -> None:
    """A resource that keeps its name under another logical id is a finding; with another name it is none."""
    taken, later = names(templates["prod"]), copy.deepcopy(templates["prod"])
    name, logical_id = next(iter(taken[kind].items()))
    later["Resources"]["Moved"] = later["Resources"].pop(logical_id)
    (found,) = collisions(taken, names(later))
    assert found.startswith(f"Moved ({kind}) has the name of {logical_id}: {name}.")
    later["Resources"]["Moved"]["Properties"][releases.NAMED[kind][0]] = "another"
    assert collisions(taken, names(later)) == []


def test_a_release_is_recorded_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The record of a version is not written again, so that it cannot be changed to silence the check."""
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))["version"]
    monkeypatch.setattr(releases, "version", lambda _: recorded)
    before = RECORD.read_bytes()
    assert releases.write_record() == 1
    assert f"is the record of {recorded} already" in capsys.readouterr().err
    assert RECORD.read_bytes() == before


def test_a_new_version_is_recorded(
    templates: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The record of a new version has its stateful resources and its names; writing it prints what an update loses."""
    record = tmp_path / RECORD.name
    record.write_text(RECORD.read_text(encoding="utf-8").replace("UsersTable", "PeopleTable"), encoding="utf-8")
    monkeypatch.setattr(releases, "RECORD", record)
    monkeypatch.setattr(releases, "version", lambda _: "9.9.9")
    monkeypatch.setattr(releases, "synthesize", templates.__getitem__)
    assert releases.write_record() == 0
    written = json.loads(record.read_text(encoding="utf-8"))
    assert written == {
        "version": "9.9.9",
        "stages": {name: stateful(templates[name]) for name in STAGES},
        "names": {name: names(templates[name]) for name in STAGES},
    }
    assert "prod: PeopleTable (AWS::DynamoDB::Table) is gone" in capsys.readouterr().out
