"""A model of CloudFormation's stacks and resources when a deployment fails, from AWS's documentation.

Each rule names its source. Operations are immediate; only their final states are modelled.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KEEP_ALWAYS, KEEP_UNLESS_NEW = "Retain", "RetainExceptOnCreate"

_ARNS = {
    "AWS::Cognito::UserPool": "cognito-idp:us-east-1:123456789012:userpool/",
    "AWS::DynamoDB::Table": "dynamodb:us-east-1:123456789012:table/",
    "AWS::Logs::LogGroup": "logs:us-east-1:123456789012:log-group:",
    "AWS::SQS::Queue": "sqs:us-east-1:123456789012:",
}


class Refused(Exception):
    """A request that a service rejects, in CloudFormation nearly always with a ValidationError."""

    def __init__(self, message: str, code: str = "ValidationError") -> None:
        super().__init__(message)
        self.code = code


@dataclass
class StackResource:
    """A resource of the account. `stack` is the stack that created it, which remains its tag."""

    stack: str
    logical_id: str
    physical_id: str
    kind: str
    protected: bool

    @property
    def arn(self) -> str:
        """Return its ARN; empty for types that a deployment never leaves behind."""
        prefix = _ARNS.get(self.kind)
        return f"arn:aws:{prefix}{self.physical_id}" if prefix else ""


@dataclass
class Stack:
    """A stack, with the physical ids of its resources by logical ids."""

    name: str
    stack_id: str
    template: Mapping[str, Any]
    status: str = "REVIEW_IN_PROGRESS"
    termination_protection: bool = False
    resources: dict[str, str] = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Account:
    """Stacks and resources of an account. `faults` are the logical ids that cannot be created, with the reason."""

    faults: dict[str, str] = field(default_factory=dict)
    stacks: dict[str, Stack] = field(default_factory=dict)
    resources: dict[str, StackResource] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def find(self, name_or_id: str) -> Stack:
        """Return a stack, by its name or its id."""
        for stack in self.stacks.values():
            if name_or_id in (stack.name, stack.stack_id):
                return stack
        raise Refused(f"Stack with id {name_or_id} does not exist")

    def orphans(self, name: str) -> list[StackResource]:
        """Return the resources that a stack of this name created and that no stack owns."""
        alive = {physical for stack in self.stacks.values() for physical in stack.resources.values()}
        return [item for item in self.resources.values() if item.stack == name and item.physical_id not in alive]

    def discard(self, physical_id: str) -> None:
        """Delete a resource, unless it is protected; a user pool together with its groups and clients."""
        item = self.resources[physical_id]
        if item.protected:
            raise Refused("Resource cannot be deleted as it is currently protected against deletion.")
        inside = [other for other in self.orphans(item.stack) if other.kind.startswith(item.kind)]
        for gone in inside if item.kind == "AWS::Cognito::UserPool" else [item]:
            del self.resources[gone.physical_id]

    def prepare(self, name: str, template: Mapping[str, Any]) -> Stack:
        """Create a change set; a new stack then waits in REVIEW_IN_PROGRESS."""
        stack = self.stacks.get(name)
        if stack is None:
            stack_id = f"arn:aws:cloudformation:us-east-1:123456789012:stack/{name}/{next(self._numbers)}"
            self.stacks[name] = stack = Stack(name, stack_id, template)
        # "The only action that you can take is to delete the stack": StackStatus in the API reference.
        if stack.status.startswith("ROLLBACK_"):
            raise Refused(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")
        stack.template = template
        return stack

    def execute(self, stack: Stack, *, roll_back: bool) -> None:
        """Execute a change set that creates what is missing.

        With rollback disabled, what was created stays, and the next change set goes on from there ("Choose how to
        handle failures when provisioning resources" in the CloudFormation user guide).
        """
        creates = stack.status == "REVIEW_IN_PROGRESS"
        failed = [
            name for name in stack.template["Resources"] if name not in stack.resources and self._fails(stack, name)
        ]
        if not failed:
            stack.status = "CREATE_COMPLETE" if creates else "UPDATE_COMPLETE"
        elif not roll_back:
            stack.status = "CREATE_FAILED" if creates else "UPDATE_FAILED"
        elif creates:
            self._roll_back(stack)
        else:
            raise NotImplementedError("an update that is rolled back is not part of a first deployment")

    def protect(self, stack: Stack, *, on: bool) -> None:
        """Switch termination protection on or off, in any state of the stack."""
        stack.termination_protection = on

    def delete(self, stack: Stack) -> None:
        """Delete a stack, except for the resources that either policy retains ("DeletionPolicy attribute")."""
        if stack.termination_protection:
            raise Refused(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        if self._remove(stack, keeps={KEEP_ALWAYS, KEEP_UNLESS_NEW}):
            stack.status = "DELETE_FAILED"
        else:
            del self.stacks[stack.name]

    def _roll_back(self, stack: Stack) -> None:
        # RetainExceptOnCreate: "If the stack operation that created the resource is rolled back, CloudFormation deletes
        # the resource."
        failed = self._remove(stack, keeps={KEEP_ALWAYS})
        stack.status = "ROLLBACK_FAILED" if failed else "ROLLBACK_COMPLETE"

    def _fails(self, stack: Stack, name: str) -> bool:
        item = stack.template["Resources"][name]
        if name in self.faults:
            stack.events.append((name, "CREATE_FAILED", self.faults[name]))
            return True
        physical = f"{stack.name}-{name}-{next(self._numbers)}"
        self.resources[physical] = StackResource(stack.name, name, physical, item["Type"], _is_protected(item))
        stack.resources[name] = physical
        stack.events.append((name, "CREATE_COMPLETE", ""))
        return False

    def _remove(self, stack: Stack, *, keeps: set[str]) -> list[str]:
        """Delete a stack's resources, except those that a policy keeps, and return those that cannot be deleted."""
        refused = []
        for name, physical in reversed(list(stack.resources.items())):
            if stack.template["Resources"][name].get("DeletionPolicy", "Delete") in keeps:
                stack.events.append((name, "DELETE_SKIPPED", ""))
            elif self.resources[physical].protected:
                stack.events.append((name, "DELETE_FAILED", f"{physical} is protected against deletion"))
                refused.append(name)
                continue
            else:
                stack.events.append((name, "DELETE_COMPLETE", ""))
                del self.resources[physical]
            del stack.resources[name]
        return refused


def _is_protected(item: Mapping[str, Any]) -> bool:
    """Tell whether DynamoDB (DeleteTable) or Cognito (DeleteUserPool) would refuse to delete this resource."""
    properties = item.get("Properties", {})
    return properties.get("DeletionProtectionEnabled") is True or properties.get("DeletionProtection") == "ACTIVE"
