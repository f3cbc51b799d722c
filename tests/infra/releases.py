"""The stateful resources and the names of the last release, and what an update to today's templates would break.

`released.json` records them. `make record-release` writes it; CONTRIBUTING.md (*Releasing*) says when. CloudFormation's
resource schemas, which come with cfn-lint, say which properties cannot change in place; `UNCHANGEABLE` adds those that
only the template reference mentions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from infra import DISTRIBUTION
from tests.infra.synthesis import synthesize

Resources = Mapping[str, Mapping[str, Any]]
"""The entries of a template, by logical id."""

RECORD = Path(__file__).with_name("released.json")
STAGES = ("dev", "prod")
"""The stages that are updated. The local one always starts empty."""

STATEFUL = frozenset(load_resource(AdditionalSpecs, "StatefulResources.json")["ResourceTypes"]) | {
    "AWS::ApiGatewayV2::Api",  # its id is in the address that clients use
    "AWS::Cognito::UserPoolClient",  # its id is in every app, and in the `aud` of tokens
    "AWS::Cognito::UserPoolGroup",  # its members go with it
    "AWS::SNS::Topic",  # its subscriptions go with it
}
"""The types with state: those for which cfn-lint wants a deletion policy, and four more."""

UNCHANGEABLE: Mapping[str, Mapping[str, str]] = {
    "AWS::Cognito::UserPool": dict.fromkeys(
        ("AliasAttributes", "Schema", "UsernameAttributes", "UsernameConfiguration"),
        "Cognito refuses to change this in an existing pool",
    ),
    "AWS::DynamoDB::Table": {
        "LocalSecondaryIndexes": "the table would be replaced",
        "StreamSpecification": "the stream would be replaced: what is still unread in it never reaches its functions",
    },
}
"""Changes that CloudFormation documents as updates in place, and what happens instead."""

NAMED: Mapping[str, tuple[str, ...]] = {
    "AWS::ApiGatewayV2::Route": ("RouteKey",),
    "AWS::ApiGatewayV2::Stage": ("StageName",),
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::Lambda::EventSourceMapping": ("FunctionName", "EventSourceArn"),
    "AWS::Logs::QueryDefinition": ("Name",),
}
"""The types whose names must be unique, and the properties that make up the name."""

Names = Mapping[str, Mapping[str, str]]
"""Types → names → logical ids."""

_KEPT = {"Retain", "RetainExceptOnCreate", "Snapshot"}
_UNDO = "Put it back. To change it anyway, add a new resource beside it, move what it keeps, remove it a release later."


def stateful(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the stateful resources of a template, without their metadata."""
    return {
        name: {key: value for key, value in resource.items() if key != "Metadata"}
        for name, resource in template["Resources"].items()
        if resource["Type"] in STATEFUL
    }


def names(template: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the names in a template, with the logical ids of their resources."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in NAMED}
    for logical_id, resource in sorted(template["Resources"].items()):
        if parts := NAMED.get(resource["Type"]):
            values = [resource["Properties"].get(part) for part in parts]
            name = " ".join(value if isinstance(value, str) else json.dumps(value, sort_keys=True) for value in values)
            found[resource["Type"]][name] = logical_id
    return found


def collisions(released: Names, today: Names) -> list[str]:
    """Return the names that have moved to another logical id: a paragraph for each."""
    return [
        f"{now} ({kind}) has the name of {before}: {name}. CloudFormation creates the one before it deletes the other, "
        "and the deployment fails because the name already exists.\n  Keep the logical id (`override_logical_id`), or "
        "change the name too."
        for kind, taken in released.items()
        for name, before in taken.items()
        if (now := today.get(kind, {}).get(name, before)) != before
    ]


def losses(released: Resources, today: Resources) -> list[str]:
    """Return what an update from `released` to `today` would lose, or why it would fail: one paragraph each."""
    found = []
    for name, before in released.items():
        kind = before["Type"]
        now = today.get(name)
        if now is None:
            what = "would be deleted, or stay behind without its stack" if _kept(before) else "would be deleted"
            found.append(f"{name} ({kind}) is gone: it {what}.\n  A moved construct changes logical ids. {_UNDO}")
        elif now["Type"] != kind:
            found.append(f"{name} is a {now['Type']} and was a {kind}: CloudFormation refuses that.\n  {_UNDO}")
        else:
            found += [f"{name} ({kind}): {finding}" for finding in _differences(before, now)]
    return found


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    was, is_ = before.get("Properties", {}), now.get("Properties", {})
    for path, effect in _fixed(before["Type"]).items():
        old, new = _at(was, path), _at(is_, path)
        if path == "Schema" and old and new:  # attributes may be added
            new = [attribute for attribute in new if attribute in old]
        if old != new:
            yield f"{path} was {json.dumps(old)} and is {json.dumps(new)}; {effect}.\n  {_UNDO}"
    for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
        if before.get(policy) in _KEPT and now.get(policy) not in _KEPT:
            yield (
                f"{policy} was {before[policy]} and is {now.get(policy)}; with the resource goes what it keeps.\n"
                f"  Keep it, unless this release is meant to make it removable."
            )
    if before["Type"] == "AWS::DynamoDB::Table":
        yield from _attributes(was, is_)
        yield from _indexes(was, is_)


def _fixed(kind: str) -> dict[str, str]:
    """Return the properties (`Outer/Inner`) that cannot change, each with what would happen."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    paths = (*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ()))
    replaced = "CloudFormation would create a new, empty resource in its place"
    return {path.removeprefix("/properties/"): replaced for path in paths} | dict(UNCHANGEABLE.get(kind, {}))


def _at(properties: Any, path: str) -> Any:
    """Return the value at a schema's path; of a path into a list, the whole list."""
    for step in path.split("/"):
        if not isinstance(properties, Mapping):
            break
        properties = properties.get(step)
    return properties


def _kept(resource: Mapping[str, Any]) -> bool:
    return resource.get("DeletionPolicy") in _KEPT


def _attributes(was: Mapping[str, Any], is_: Mapping[str, Any]) -> Iterator[str]:
    """Find keys whose type changed: CloudFormation replaces the table, which its schema does not say."""
    old, new = (
        {part["AttributeName"]: part["AttributeType"] for part in table["AttributeDefinitions"]} for table in (was, is_)
    )
    for name in old.keys() & new.keys():
        if old[name] != new[name]:
            yield (
                f"the attribute {name} was of type {old[name]} and is of type {new[name]}; "
                f"CloudFormation would make a new, empty table in its place.\n  {_UNDO}"
            )


def _indexes(was: Mapping[str, Any], is_: Mapping[str, Any]) -> Iterator[str]:
    """Find changes of indexes that no single update can make: one may be added or removed, and none changed."""
    old, new = (
        {
            index["IndexName"]: {key: index.get(key) for key in ("KeySchema", "Projection")}
            for index in table.get("GlobalSecondaryIndexes", ())
        }
        for table in (was, is_)
    )
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield (
                f"the index {name} was {json.dumps(old[name])} and is {json.dumps(new[name])}; CloudFormation refuses "
                "to change an index.\n  Add another one under a new name, and remove this one a release later."
            )
    if len(changed := sorted(old.keys() ^ new.keys())) > 1:
        yield (
            f"the indexes {', '.join(changed)} come or go at once; DynamoDB creates or deletes one index per update, "
            "and the deployment fails at the second.\n  Spread them over as many releases."
        )


def breaks(record: Mapping[str, Any], stage: str, template: Mapping[str, Any]) -> list[str]:
    """Return what an update of a stage from the recorded release to a template would lose, or why it would fail."""
    found = losses(record["stages"][stage], stateful(template))
    return found + collisions(record["names"][stage], names(template))


def write_record() -> int:
    """Record the stateful resources and names of this version, and print what an update to it would lose.

    A version that is recorded already is not recorded again, which would hide changes since its release.
    """
    released, today = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else None, version(DISTRIBUTION)
    if released and released["version"] == today:
        sys.stderr.write(
            f"{RECORD.name} is the record of {today} already. A record is written once for each release: raise the "
            "version in pyproject.toml first, and make setup.\n"
        )
        return 1
    templates = {name: synthesize(name) for name in STAGES}
    stages, taken = ({name: read(item) for name, item in templates.items()} for read in (stateful, names))
    if released:
        found = [f"{name}: {finding}" for name in STAGES for finding in breaks(released, name, templates[name])]
        print("\n".join(found or [f"An update from {released['version']} loses nothing and can be deployed."]))
    body, named = (",\n".join(map(_stage, each, each.values())) for each in (stages, taken))
    text = f'{{\n "version": "{today}",\n "stages": {{\n{body}\n }},\n "names": {{\n{named}\n }}\n}}\n'
    RECORD.write_text(text, encoding="utf-8")
    print(f"Recorded {today}. Commit {RECORD.name} with the release.")
    return 0


def _stage(name: str, kept: Mapping[str, Any]) -> str:
    """Write a stage with one line for each entry, so that the diff of two releases reads as a list."""
    lines = (f'   "{resource}": {json.dumps(entry, sort_keys=True)}' for resource, entry in sorted(kept.items()))
    return f'  "{name}": {{\n' + ",\n".join(lines) + "\n  }"


if __name__ == "__main__":
    sys.exit(write_record())
