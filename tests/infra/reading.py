"""Resources of a template by the names of their constructs, with references as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_HASH = re.compile(r"[0-9A-F]{8}$")


def plain(value: Any) -> Any:
    """Return a template value with its references as text: `{"Fn::GetAtt": ["QueuesCommands1234ABCD", "Arn"]}` becomes
    `QueuesCommands.Arn`, and a join becomes one string."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return _HASH.sub("", value["Ref"])
    if set(value) == {"Fn::GetAtt"}:
        name, attribute = value["Fn::GetAtt"]
        return f"{_HASH.sub('', name)}.{attribute}"
    if set(value) == {"Fn::Join"}:
        separator, parts = value["Fn::Join"]
        return separator.join(str(plain(part)) for part in parts)
    return {key: plain(item) for key, item in value.items()}


class Resources:
    """The resources of one template."""

    def __init__(self, template: dict[str, Any]) -> None:
        self._all: dict[str, dict[str, Any]] = {
            _HASH.sub("", name): plain(resource) for name, resource in template["Resources"].items()
        }

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type such as `AWS::SQS::Queue`, by name."""
        return {name: item.get("Properties", {}) for name, item in self._all.items() if item["Type"] == kind}

    def waits_for(self, name: str) -> list[str]:
        """Return the resources that the resource of this name depends on."""
        return [_HASH.sub("", other) for other in self._all[name].get("DependsOn", [])]

    def one(self, name: str) -> dict[str, Any]:
        """Return the properties of the resource of this name."""
        properties: dict[str, Any] = self._all[name]["Properties"]
        return properties

    def deletion_policies(self, kind: str) -> set[str]:
        """Return the policies for deletion and replacement of the resources of a type."""
        return {
            item.get(policy, "Delete")
            for item in self._all.values()
            for policy in ("DeletionPolicy", "UpdateReplacePolicy")
            if item["Type"] == kind
        }

    def kinds(self) -> dict[str, str]:
        """Return the type of every resource, by name."""
        return {name: item["Type"] for name, item in self._all.items()}

    def grants(self, role: str) -> Iterator[tuple[str, str]]:
        """Yield every action on a resource that a role allows."""
        for policy in self.one(role)["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Effect"] == "Allow"
                for action in _list(statement["Action"]):
                    for resource in _list(statement["Resource"]):
                        yield action, resource


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
