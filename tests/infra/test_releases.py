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


def test_what_is_watched(prod: Resources) -> None:
    """Tables, queues, logs, the pool with its client and groups, the topic with its key, and the API's address."""
    assert {kind.removeprefix("AWS::") for kind in {entry["Type"] for entry in prod.values()}} == {
        "ApiGatewayV2::Api", "Cognito::UserPool", "Cognito::UserPoolClient", "Cognito::UserPoolGroup",
        "DynamoDB::Table", "KMS::Key", "Logs::LogGroup", "SNS::Topic", "SQS::Queue",
    }  # fmt: skip


def _add_indexes(table: dict[str, Any], count: int) -> None:
    for number in range(count):
        table[INDEXES].append(table[INDEXES][0] | {"IndexName": f"Index{number}"})


BREAKING: dict[str, tuple[Callable[[Resources], object], str]] = {
    "a moved table": (lambda all_: all_.update(Moved=all_.pop("UsersTable")), "UsersTable (AWS::DynamoDB::Table) is"),
    "a resource of another type": (
        lambda all_: all_["UsersTable"].update(Type="AWS::DynamoDB::GlobalTable"),
        "CloudFormation refuses that",
    ),
    "another key": (
        lambda all_: _table(all_, "LedgerTable")["KeySchema"].append({"AttributeName": "at", "KeyType": "RANGE"}),
        "LedgerTable (AWS::DynamoDB::Table): KeySchema was",
    ),
    "a key of another type": (
        lambda all_: _table(all_, "LedgerTable")["AttributeDefinitions"][0].update(AttributeType="N"),
        "attribute eventId was of type S and is of type N",
    ),
    "a named queue": (
        lambda all_: _of(all_, "AWS::SQS::Queue").update(QueueName="q.fifo"),
        'QueueName was null and is "q.fifo"',
    ),
    "a queue without order": (
        lambda all_: _of(all_, "AWS::SQS::Queue").pop("FifoQueue"),
        "FifoQueue was true and is null",
    ),
    "a named log group": (lambda all_: _of(all_, "AWS::Logs::LogGroup").update(LogGroupName="x"), "LogGroupName was"),
    "another stream": (
        lambda all_: _table(all_, "LedgerTable").update(StreamSpecification={"StreamViewType": "NEW_AND_OLD_IMAGES"}),
        "the stream would be replaced",
    ),
    "other names to sign in with": (
        lambda all_: _of(all_, "AWS::Cognito::UserPool").update(AliasAttributes=["email", "preferred_username"]),
        "Cognito refuses to change this",
    ),
    "an attribute of people less": (
        lambda all_: _of(all_, "AWS::Cognito::UserPool").update(Schema=[]),
        "Schema was",
    ),
    "an app with a secret": (
        lambda all_: _of(all_, "AWS::Cognito::UserPoolClient").update(GenerateSecret=True),
        "GenerateSecret was false",
    ),
    "two indexes more": (
        lambda all_: _add_indexes(_table(all_, "RegistrationsTable"), 2),
        "the indexes Index0, Index1 come or go at once",
    ),
    "a renamed index": (
        lambda all_: _table(all_, "RegistrationsTable")[INDEXES][0].update(IndexName="Index"),
        "the indexes Index, UserRegistrationsIndex come or go at once",
    ),
    "an index of everything": (
        lambda all_: _table(all_, "RegistrationsTable")[INDEXES][0].update(Projection={"ProjectionType": "ALL"}),
        "the index UserRegistrationsIndex was",
    ),
    "data that goes with the stack": (
        lambda all_: all_["UsersTable"].update(DeletionPolicy="Delete"),
        "DeletionPolicy was Retain and is Delete",
    ),
}


def _table(resources: Resources, name: str) -> dict[str, Any]:
    properties: dict[str, Any] = resources[name]["Properties"]
    return properties


def _of(resources: Resources, kind: str) -> dict[str, Any]:
    name = next(name for name, entry in resources.items() if entry["Type"] == kind)
    return _table(resources, name)


@pytest.mark.parametrize("what", BREAKING)
def test_what_would_be_lost_is_found(prod: Resources, what: str) -> None:
    """Each change that costs data, or that no update can make, is found once, and the finding names it."""
    change, named = BREAKING[what]
    later = copy.deepcopy(prod)
    change(later)
    (found,) = losses(prod, later)
    assert named in found


HARMLESS: dict[str, Callable[[Resources], object]] = {
    "nothing": lambda _: None,
    "an index more": lambda all_: _add_indexes(_table(all_, "RegistrationsTable"), 1),
    "an index less": lambda all_: _table(all_, "RegistrationsTable")[INDEXES].pop(),
    "a table more": lambda all_: all_.update(Notes=copy.deepcopy(all_["UsersTable"])),
    "an attribute of people more": lambda all_: _of(all_, "AWS::Cognito::UserPool")["Schema"].append({"Name": "club"}),
    "another time to keep messages": lambda all_: _of(all_, "AWS::SQS::Queue").update(MessageRetentionPeriod=60),
    "kept, unless the first deployment fails": lambda all_: all_["UsersTable"].update(
        DeletionPolicy="RetainExceptOnCreate"
    ),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_loses_nothing(prod: Resources, what: str) -> None:
    """A change that CloudFormation makes in place is no finding."""
    later = copy.deepcopy(prod)
    HARMLESS[what](later)
    assert losses(prod, later) == []


@pytest.mark.parametrize("kind", releases.NAMED)
def test_a_name_that_moves_is_found(templates: dict[str, dict[str, Any]], kind: str) -> None:
    """A resource that keeps its name under another logical id is a finding; one that is renamed with it is none."""
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
