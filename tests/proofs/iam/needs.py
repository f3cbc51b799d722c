"""The grants that Lambda itself needs and the emulator does not enforce: reading a queue or a stream, on-failure
destinations, logs. By AWS's documentation of event source mappings and of the execution role.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.proofs.iam.grants import Grant

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment

QUEUE = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
STREAMS = "dynamodb:ListStreams"
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")


def needs_of(deployment: Deployment) -> frozenset[Grant]:
    """Return these grants of a stack."""
    functions = deployment.clients.functions
    names = set(deployment.physical_ids("AWS::Lambda::Function"))
    found = set[Grant]()
    for name in names:
        configuration = functions.get_function_configuration(FunctionName=name)
        role = configuration["Role"].rpartition("/")[2]
        found.update(_of_log(role, configuration))
        for mapping in functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            found.update(_of_mapping(role, mapping))
    return frozenset(found)


def _of_log(role: str, configuration: Any) -> Iterator[Grant]:
    region, account = configuration["FunctionArn"].split(":")[3:5]
    group = f"arn:aws:logs:{region}:{account}:log-group:{configuration['LoggingConfig']['LogGroup']}:*"
    return (Grant(role, action, group) for action in LOGS)


def _of_mapping(role: str, mapping: Any) -> Iterator[Grant]:
    source: str = mapping["EventSourceArn"]
    of_queue = ":sqs:" in source
    for action in QUEUE if of_queue else STREAM:
        yield Grant(role, action, source)
    if not of_queue:
        yield Grant(role, STREAMS, f"{source.partition('/stream/')[0]}/stream/*")
    if destination := mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
        yield Grant(role, "sqs:SendMessage", destination)
