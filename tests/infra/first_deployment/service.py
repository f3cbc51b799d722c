"""The services that the CDK's command line and the clean-up call, over HTTP on this machine, for one `Account`.

CloudFormation, DynamoDB's tables and Cognito's pools are the account's. STS, SSM and S3 do what the CDK needs to find
its bootstrap and to store a template.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from tests.infra.first_deployment.stacks import Account, Refused, Stack
from tests.support.http_server import Handler, serving

ACCOUNT = "123456789012"
_NOW = datetime(2030, 1, 1, tzinfo=UTC)
_STATE = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/cdk-deploy-change-set/1"
_NAMES = ("TableName", "UserPoolId", "QueueUrl", "logGroupName")
Form = dict[str, str]


class Service:
    """An account's services. `calls` are the requested operations in order."""

    def __init__(self, account: Account, bootstrap_version: int = 30) -> None:
        self.account = account
        self.calls: list[str] = []
        self._bootstrap = str(bootstrap_version)
        self._objects: dict[str, bytes] = {}
        self._prepared: set[str] = set()

    def form(self, form: Form) -> dict[str, Any]:
        """Handle a request in the protocol of CloudFormation and STS, and return the result, which becomes XML."""
        action = form["Action"]
        self.calls.append(action)
        known: dict[str, Callable[[Form], dict[str, Any]]] = {
            "AssumeRole": _assume_role,
            "CreateChangeSet": self._create_change_set,
            "DeleteChangeSet": self._delete_change_set,
            "DeleteStack": self._delete,
            "DescribeChangeSet": self._describe_change_set,
            "DescribeStackEvents": lambda form: {"StackEvents": self._events(self._stack(form))},
            "DescribeStacks": lambda form: {"Stacks": [_described(self._stack(form))]},
            "ExecuteChangeSet": self._execute,
            "GetCallerIdentity": lambda _: _IDENTITY,
            "GetTemplate": lambda form: {"TemplateBody": json.dumps(self._stack(form).template)},
            "ListStackResources": lambda form: {"StackResourceSummaries": self._resources(self._stack(form))},
            "UpdateTerminationProtection": self._protect,
        }
        if action not in known:
            raise Refused(f"{action} is not part of this stub")
        return known[action](form)

    def target(self, target: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Handle a request in the JSON protocol: SSM, the tagging API, and changes of single resources."""
        self.calls.append(target.rsplit(".", 1)[1])
        name = next((str(body[member]) for member in _NAMES if member in body), "")
        match self.calls[-1]:
            case "GetParameter":
                return {"Parameter": {"Name": body["Name"], "Value": self._bootstrap}}
            case "UpdateTable":
                self.account.resources[name].protected = body["DeletionProtectionEnabled"]
            case "UpdateUserPool":
                self.account.resources[name].protected = body["DeletionProtection"] == "ACTIVE"
            case "DeleteTable" | "DeleteUserPool" | "DeleteQueue" | "DeleteLogGroup":
                self.account.discard(name)
            case "GetResources":
                (tag,) = body["TagFilters"]
                tagged = [item.arn for item in self.account.resources.values() if item.stack in tag["Values"]]
                return {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in tagged if arn]}
            case _:
                raise Refused(f"{target} is not part of this stub")
        return {}

    def stored(self, path: str) -> bytes | None:
        """Return an object of the bootstrap's bucket, which contains everything except templates from the start."""
        return self._objects.get(path, None if path.endswith(".json") else b"a bundle")

    def store(self, path: str, body: bytes) -> None:
        """Put an object into the bootstrap's bucket."""
        self._objects[path] = body

    def _stack(self, form: Form) -> Stack:
        return self.account.find(form["StackName"])

    def _delete(self, form: Form) -> dict[str, Any]:
        self.account.delete(self._stack(form))
        return {}

    def _create_change_set(self, form: Form) -> dict[str, Any]:
        body = self.stored(urlsplit(form["TemplateURL"]).path)
        if body is None:
            raise Refused("S3 error: Access Denied")
        stack = self.account.prepare(form["StackName"], json.loads(body))
        self._prepared.add(stack.name)
        return {"Id": _STATE, "StackId": stack.stack_id}

    def _delete_change_set(self, form: Form) -> dict[str, Any]:
        self._prepared.discard(self._stack(form).name)
        return {}

    def _describe_change_set(self, form: Form) -> dict[str, Any]:
        stack = self._stack(form)
        if stack.name not in self._prepared:
            raise Refused(f"ChangeSet [{_STATE}] does not exist", code="ChangeSetNotFound")
        missing = [name for name in stack.template["Resources"] if name not in stack.resources]
        changes = [
            {"Type": "Resource", "ResourceChange": {"Action": "Add", "LogicalResourceId": name}} for name in missing
        ]
        return {
            "ChangeSetId": _STATE,
            "ChangeSetName": "cdk-deploy-change-set",
            "StackId": stack.stack_id,
            "StackName": stack.name,
            "Status": "CREATE_COMPLETE",
            "ExecutionStatus": "AVAILABLE",
            "CreationTime": _NOW.isoformat(),
            "Changes": changes,
        }

    def _execute(self, form: Form) -> dict[str, Any]:
        self.account.execute(self._stack(form), roll_back=form.get("DisableRollback") != "true")
        return {}

    def _protect(self, form: Form) -> dict[str, Any]:
        stack = self._stack(form)
        self.account.protect(stack, on=form["EnableTerminationProtection"] == "true")
        return {"StackId": stack.stack_id}

    def _events(self, stack: Stack) -> list[dict[str, str]]:
        return [
            {
                "EventId": f"{name}-{number}",
                "StackId": stack.stack_id,
                "StackName": stack.name,
                "LogicalResourceId": name,
                "PhysicalResourceId": stack.resources.get(name, ""),
                "ResourceType": stack.template["Resources"][name]["Type"],
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "Timestamp": datetime.now(UTC).isoformat(),
            }
            for number, (name, status, reason) in reversed(list(enumerate(stack.events)))
        ]

    def _resources(self, stack: Stack) -> list[dict[str, str]]:
        return [
            {
                "LogicalResourceId": name,
                "PhysicalResourceId": physical,
                "ResourceType": stack.template["Resources"][name]["Type"],
                "ResourceStatus": "CREATE_COMPLETE",
                "LastUpdatedTimestamp": _NOW.isoformat(),
            }
            for name, physical in stack.resources.items()
        ]


@contextmanager
def serve(service: Service) -> Iterator[str]:
    """Serve an account while the block runs, and return the URL for `AWS_ENDPOINT_URL`."""

    class Bound(_Request):
        def __init__(self, *arguments: Any) -> None:
            self.service = service
            super().__init__(*arguments)

    with serving(Bound) as url:
        yield url


class _Request(Handler):
    service: Service

    def do_PUT(self) -> None:  # noqa: N802 - the library's name
        self.service.store(urlsplit(self.path).path, self.content())
        self.answer()

    def do_HEAD(self) -> None:  # noqa: N802 - the library's name
        self.answer(status=200 if self.service.stored(urlsplit(self.path).path) else 404)

    def reply(self) -> None:
        target, content = self.headers.get("X-Amz-Target"), self.content()
        try:
            if target:
                self.answer(json.dumps(self.service.target(target, json.loads(content))).encode())
            elif self.command == "POST":
                form = {name: values[0] for name, values in parse_qs(content.decode()).items()}
                self.answer(_xml(form["Action"], self.service.form(form)), kind="text/xml")
            else:
                self._list_objects()
        except Refused as error:
            self._refuse(error, in_json=bool(target))

    def _list_objects(self) -> None:
        parts = urlsplit(self.path)
        prefix = parse_qs(parts.query).get("prefix", [""])[0]
        found = self.service.stored(f"{parts.path.rstrip('/')}/{prefix}")
        listed = f"<Contents><Key>{escape(prefix)}</Key><Size>1</Size></Contents>" if found else ""
        self.answer(f"<ListBucketResult>{listed}</ListBucketResult>".encode(), kind="text/xml")

    def _refuse(self, error: Refused, *, in_json: bool) -> None:
        if in_json:
            self.answer(json.dumps({"__type": "ValidationException", "message": str(error)}).encode(), status=400)
            return
        answer = f"<Type>Sender</Type><Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
        self.answer(f"<ErrorResponse><Error>{answer}</Error></ErrorResponse>".encode(), status=400, kind="text/xml")


_IDENTITY = {"Account": ACCOUNT, "UserId": "AIDA", "Arn": f"arn:aws:iam::{ACCOUNT}:user/deployer"}


def _assume_role(form: Form) -> dict[str, Any]:
    keys = {"AccessKeyId": "AKIA", "SecretAccessKey": "secret", "SessionToken": "token"}
    return {
        "Credentials": {**keys, "Expiration": datetime(2040, 1, 1, tzinfo=UTC).isoformat()},
        "AssumedRoleUser": {"AssumedRoleId": "AROA:cdk", "Arn": form["RoleArn"]},
    }


def _described(stack: Stack) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "StackStatus": stack.status,
        "CreationTime": _NOW.isoformat(),
        "EnableTerminationProtection": stack.termination_protection,
        "Outputs": [],
    }


def _xml(action: str, result: Mapping[str, Any]) -> bytes:
    inner = f"<{action}Result>{_elements(result)}</{action}Result>"
    return f"<{action}Response>{inner}</{action}Response>".encode()


def _elements(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_elements(item)}</{name}>" for name, item in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_elements(item)}</member>" for item in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
