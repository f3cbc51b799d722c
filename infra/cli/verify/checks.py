"""Check that the parts of a deployment exist and are enabled, and that its functions log no errors."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from api.http.routes import ROUTES
from infra.cli.deployment import LOCAL
from infra.cli.function_logs import configurations, lines, log_groups
from infra.cli.verify.result import require
from infra.functions import ALWAYS
from workers.aws.items import DATE_INDEX, EVENT_INDEX, STATUS_KEY, USER_INDEX

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import KeySchemaElementTypeDef

    from infra.cli.deployment import Deployment
    from infra.cli.verify.result import Check

TABLES: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]]]] = {
    "users_table": (("userId",), {}),
    "events_table": (("eventId",), {DATE_INDEX: ("status", "date")}),
    "registrations_table": (
        ("registrationId",),
        {
            USER_INDEX: ("userId", "registeredAt"),
            EVENT_INDEX: ("eventId", STATUS_KEY),
        },
    ),
    "ledger_table": (("eventId",), {}),
}
"""Each table's key, and the keys of its indexes."""

HANDLERS = frozenset(spec.handler for spec in ALWAYS)
MAPPINGS = sum(spec.invoked_by in {"queue", "stream"} for spec in ALWAYS)
"""Event source mappings."""

_LOG_WAIT = 10.0  # CloudWatch shows a line some seconds after it was written
_LOG_FILTER = '?ERROR ?CRITICAL ?Traceback ?"Task timed out" ?errorMessage'
_ERROR = re.compile(r'"level":\s*"(ERROR|CRITICAL)"|\[ERROR\]|Traceback|Task timed out|"errorMessage"')


def parts(deployment: Deployment) -> list[Check]:
    """Return the checks of the deployment's parts, in reading order."""
    return [
        *((f"table {_words(output)}", lambda output=output: _table(deployment, output)) for output in TABLES),
        ("queues", lambda: _queues(deployment)),
        ("functions", lambda: _functions(deployment)),
        ("event source mappings", lambda: _mappings(deployment)),
        ("routes", lambda: _routes(deployment)),
    ]


def _words(output: str) -> str:
    return output.removesuffix("_table")


def _table(deployment: Deployment, output: str) -> str:
    key, indexes = TABLES[output]
    table = deployment.clients.dynamodb.describe_table(TableName=getattr(deployment.outputs, output))["Table"]
    require(table["TableStatus"] == "ACTIVE", f"it is {table['TableStatus']}")
    require(_keys(table["KeySchema"]) == key, f"its key is {_keys(table['KeySchema'])}, not {key}")
    found = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes", [])}
    for name, index_key in indexes.items():
        require(name in found, f"the index {name} is missing")
        status = found[name].get("IndexStatus", "ACTIVE")  # the emulator leaves it out
        require(status == "ACTIVE", f"the index {name} is {status}")
        keys = _keys(found[name]["KeySchema"])
        require(keys == index_key, f"the key of the index {name} is {keys}, not {index_key}")
    if output == "ledger_table":
        require(table.get("StreamSpecification", {}).get("StreamEnabled") is True, "its stream is off")
        return "active, stream on"
    return f"active, with {', '.join(indexes)}" if indexes else "active"


def _keys(schema: list[KeySchemaElementTypeDef]) -> tuple[str, ...]:
    """Return the names of a key's attributes, partition key first."""
    return tuple(element["AttributeName"] for element in sorted(schema, key=lambda element: element["KeyType"]))


def _queues(deployment: Deployment) -> str:
    def attributes(url: str) -> dict[str, str]:
        answer = deployment.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return {str(name): value for name, value in answer["Attributes"].items()}

    main, dead = attributes(deployment.outputs.queue_url), attributes(deployment.outputs.dead_letter_queue_url)
    for name, queue in (("queue", main), ("dead-letter queue", dead)):
        require(queue.get("FifoQueue") == "true", f"the {name} is not FIFO")
    target = json.loads(main.get("RedrivePolicy", "{}")).get("deadLetterTargetArn")
    require(target == dead["QueueArn"], "the queue's redrive policy does not name the dead-letter queue")
    return f"FIFO; {main.get('ApproximateNumberOfMessages', '?')} waiting"


def _functions(deployment: Deployment) -> str:
    found = configurations(deployment)
    missing = HANDLERS - {configuration.get("Handler", "") for configuration in found}
    require(not missing, f"missing: {', '.join(sorted(missing))}")
    for configuration in found:
        state, update = configuration.get("State", "Active"), configuration.get("LastUpdateStatus", "Successful")
        require(state in {"Active", "Inactive"}, f"{configuration['FunctionName']} is {state}")
        require(update == "Successful", f"the last update of {configuration['FunctionName']} is {update}")
    return f"{len(found)} ready"


def _mappings(deployment: Deployment) -> str:
    ids = deployment.physical_ids("AWS::Lambda::EventSourceMapping")
    require(len(ids) >= MAPPINGS, f"{len(ids)} instead of {MAPPINGS}")
    for identifier in ids:
        state = deployment.clients.functions.get_event_source_mapping(UUID=identifier)["State"]
        require(state == "Enabled", f"{identifier} is {state}")
    return f"{len(ids)} enabled"


def _routes(deployment: Deployment) -> str:
    wanted = {f"{route.method} {route.path}" for route in ROUTES} | {"$default"}
    found = dict[str, bool]()
    for api in deployment.physical_ids("AWS::ApiGatewayV2::Api"):
        pages = deployment.clients.apis.get_paginator("get_routes").paginate(ApiId=api)
        routes = [route for page in pages for route in page["Items"]]
        found |= {route["RouteKey"]: route.get("AuthorizationType", "NONE") != "NONE" for route in routes}
    missing = wanted - found.keys()
    require(not missing, f"missing: {', '.join(sorted(missing))}")
    guarded = {key for key, needs_token in found.items() if needs_token}
    if deployment.stage == LOCAL and not guarded:
        return f"{len(found)} found, open to everyone"
    open_to_all = {route.key for route in ROUTES if not route.public} - guarded
    require(not open_to_all, f"without an authorizer: {', '.join(sorted(open_to_all))}")
    return f"{len(found)} found, {len(guarded)} of them for callers with a token"


def logs(deployment: Deployment, since: float) -> Check:
    """Return the check that no function has logged an error since `since` (seconds since 1970)."""
    return "logs", lambda: _logs(deployment, since)


def _logs(deployment: Deployment, since: float) -> str:
    if deployment.outputs.endpoint_url is None:
        time.sleep(_LOG_WAIT)
    groups = log_groups(deployment).values()
    errors = [line for group in groups for line in _errors(deployment, group, since)]
    require(not errors, f"{len(errors)} error lines, the first: {errors[0][:300] if errors else ''}")
    return f"no errors in {len(groups)} groups"


def _errors(deployment: Deployment, group: str, since: float) -> list[str]:
    # The emulator does not support patterns with alternatives: read every line there.
    pattern = "" if deployment.outputs.endpoint_url else _LOG_FILTER
    pages = lines(deployment.clients.logs, group, pattern, since)
    return [f"{group}: {line.text}" for page in pages for line in page if _ERROR.search(line.text)]
