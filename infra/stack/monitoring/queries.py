"""Saved queries for CloudWatch Logs Insights, over the logs of all functions.

They use the fields of the log lines (`workers.telemetry`). The operator replaces the words in capitals.
"""

from __future__ import annotations

from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.stack.functions import Functions
from infra.stack.stage import Stage

QUERIES = {
    "why-was-she-not-promoted": """\
# Everything that happened to one registration, everything that could move the waiting list of its event, and the
# event's warnings and errors, which tell why it does not move. In order. Replace both ids.
fields @timestamp, level, message, registration_id, command, outcome, reason, waited_ms,
  ledger_after.status, ledger_after.capacity, ledger_after.confirmed, ledger_after.waiting, request_id
| filter registration_id = "REGISTRATION_ID" or (event_id = "EVENT_ID" and (
  level in ["WARNING", "ERROR"] or
  command in ["Cancel", "Promote", "Configure", "Recount"] or
  message in ["promoted", "promotion asked for"]))
| sort @timestamp asc
| limit 10000
""",
    "one-command": """\
# One command through all functions: accepted, decided, parked, replayed. Replace the id.
fields @timestamp, level, message, command, outcome, reason, latency_ms, receives, replay_of, dead_letter_id,
  request_id, event_id, registration_id
| filter command_id = "COMMAND_ID"
| sort @timestamp asc
| limit 10000
""",
    "one-request": """\
# All log lines of one request. Its id is in the body of a 500, and in every line. Replace the id.
fields @timestamp, @log, level, message, event_id, registration_id, command_id, @message
| filter request_id = "REQUEST_ID"
| sort @timestamp asc
| limit 10000
""",
    "decisions-by-outcome": """\
# The number of commands by kind, outcome and reason.
filter message = "decided"
| stats count(*) as decisions, pct(latency_ms, 50) as p50_ms, pct(latency_ms, 99) as p99_ms by command, outcome, reason
| sort decisions desc
""",
    "slowest-decisions": """\
# The slowest decisions, from acceptance to commit. More than one receive means a retry.
fields @timestamp, latency_ms, receives, command, outcome, reason, event_id, registration_id, command_id, request_id
| filter message = "decided"
| sort latency_ms desc
| limit 100
""",
    "parked": """\
# The messages that went to the dead-letter queue, with the reason. `turnstile dlq` takes the dead_letter_id.
fields @timestamp, reason, receives, command, event_id, registration_id, command_id, dead_letter_id, message_id, `group`
| filter message = "a message was parked in the dead-letter queue"
| sort @timestamp desc
| limit 1000
""",
    "errors": """\
# All errors, newest first: those that the functions logged, and those that Lambda reported.
fields @timestamp, @log, level, message, reason, event_id, command_id, request_id, @message
| filter level in ["ERROR", "CRITICAL"] or @message like /Task timed out|Runtime exited|Traceback/
| sort @timestamp desc
| limit 1000
""",
}
"""The queries by name."""


class Queries(Construct):
    """The queries `turnstile-{stage}/{name}` on the log groups of all functions."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, functions: Functions) -> None:
        super().__init__(scope, construct_id)
        for name, query in QUERIES.items():
            logs.CfnQueryDefinition(
                self,
                name,
                name=f"{stage.service}/{name}",
                query_string=query,
                log_group_names=functions.log_groups,
            )
