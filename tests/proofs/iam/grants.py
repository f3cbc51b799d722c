"""The grants of a running stack's roles, one action on one resource each, and how to take one away."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.stack.functions import BATCH_ACTIONS

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

    from infra.cli.deployment import Deployment

_POLICY = "does"

Policy = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """One action that a role allows on one resource. `resource` is an ARN."""

    role: str
    action: str
    resource: str

    @property
    def function(self) -> str:
        """The function with this role, as the stack's code names it: `ApiUsers`."""
        return self.role.split("-")[2].partition("Role")[0]

    def __str__(self) -> str:
        return f"{self.function}: {self.action} on {self.resource.split(':', 5)[5]}"


def grants_of(iam: IAMClient, deployment: Deployment) -> list[Grant]:
    """Return all grants. Actions that only the emulator knows belong to the action that includes them on AWS."""
    return [
        Grant(role, action, resource)
        for role in sorted(deployment.physical_ids("AWS::IAM::Role"))
        for statement in _policy(iam, role)["Statement"]
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
        if action not in BATCH_ACTIONS.values()
    ]


@contextmanager
def without(iam: IAMClient, grant: Grant) -> Iterator[None]:
    """Take a grant away while the block runs."""
    policy = _policy(iam, grant.role)
    _put(iam, grant.role, reduced(policy, grant))
    try:
        yield
    finally:
        _put(iam, grant.role, policy)


def reduced(policy: Policy, grant: Grant) -> Policy:
    """Return the policy without the grant. AssertionError if it does not have it."""
    taken = {grant.action, BATCH_ACTIONS.get(grant.action, grant.action)}
    statements: list[Policy] = []
    for statement in deepcopy(policy["Statement"]):
        actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
        if grant.action not in actions or grant.resource not in resources:
            statements.append(statement)
            continue
        kept = [action for action in actions if action not in taken]
        others = [resource for resource in resources if resource != grant.resource]
        statements += [statement | {"Action": kept}] if kept else []
        statements += [statement | {"Action": sorted(taken & set(actions)), "Resource": others}] if others else []
    assert statements != policy["Statement"], grant
    return policy | {"Statement": statements}


def _policy(iam: IAMClient, role: str) -> Policy:
    document: Any = iam.get_role_policy(RoleName=role, PolicyName=_POLICY)["PolicyDocument"]
    found: Policy = json.loads(document) if isinstance(document, str) else document
    return found


def _put(iam: IAMClient, role: str, policy: Policy) -> None:
    iam.put_role_policy(RoleName=role, PolicyName=_POLICY, PolicyDocument=json.dumps(policy))


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
