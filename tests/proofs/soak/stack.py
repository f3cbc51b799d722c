"""The local stack of a soak. Its functions call AWS through the fault proxy.

Polling of queue and stream, and deleting processed messages, do not: the emulator does that, as Lambda does on AWS.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from infra.cli.deployment import Deployment
from infra.cli.function_logs import configurations
from infra.cli.main import main as turnstile
from tests.proofs.soak.history import write_items
from tests.support.stacks import queue_depth, set_variables
from workers.aws.items import PROMOTABLE, Item

_QUIET_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 400.0
"""Four times the visibility timeout: a killed registrar leaves its batch invisible for 90 s."""


def send_through(deployment: Deployment, url: str) -> None:
    """Restart every function of the stack with this address as AWS's endpoint."""
    for found in configurations(deployment):
        variables = dict(found["Environment"]["Variables"]) | {"AWS_ENDPOINT_URL": url}
        set_variables(deployment.clients.functions, found["FunctionName"], variables)


def come_to_rest(deployment: Deployment, events: Collection[str] | None = None) -> list[str]:
    """Wait until the queue and the ledgers (of these events, or all) are quiet for some seconds.

    Return a sentence for everything that did not come to rest.
    """
    began = quiet_since = time.monotonic()
    ledgers: list[Item] = []
    while True:
        depth = queue_depth(deployment.clients, deployment.outputs.queue_url)
        before, ledgers = ledgers, _ledgers(deployment, events)
        waiting = [item["eventId"]["S"] for item in ledgers if item.get("promotable", {}).get("S") == PROMOTABLE]
        now = time.monotonic()
        if depth or waiting or ledgers != before:
            quiet_since = now
        if now - quiet_since > _QUIET_SECONDS:
            return []
        if now - began > _LONGEST_WAIT_SECONDS:
            unrest = [f"{depth} messages are still in the queue"] if depth else []
            return unrest + [f"{event}: nobody was promoted to its free seat" for event in waiting]
        time.sleep(1)


def replay_dead_letters(deployment: Deployment, say: Callable[[str], None]) -> tuple[list[dict[str, Any]], list[str]]:
    """Replay every dead letter as an operator would. Return them, and what did not come to rest."""
    if not queue_depth(deployment.clients, deployment.outputs.dead_letter_queue_url):
        return [], []
    with redirect_stdout(StringIO()) as listed:
        turnstile(["dlq", "list", "--json"])
    letters: list[dict[str, Any]] = json.loads(listed.getvalue())["letters"]
    for letter in letters:
        say(f"dead letter: {letter}")
    with redirect_stdout(sys.stderr):
        code = turnstile(["dlq", "replay", "--all"])
    unrest = come_to_rest(deployment)
    left = queue_depth(deployment.clients, deployment.outputs.dead_letter_queue_url)
    if left or code:
        unrest.append(f"{left} dead letters are left after a replay (exit code {code})")
    return letters, unrest


def keep_tables(deployment: Deployment, path: Path, unrest: list[str]) -> None:
    """Write the items of the tables to a file."""
    outputs = deployment.outputs
    lost = queue_depth(deployment.clients, outputs.failed_promotions_queue_url)
    items = {
        "registrations": _scan(deployment, outputs.registrations_table),
        "ledgers": _ledgers(deployment),
        "events": _scan(deployment, outputs.events_table),
    }
    write_items(path, items, unrest + ([f"{lost} promotions were given up"] if lost else []))


def _ledgers(deployment: Deployment, events: Collection[str] | None = None) -> list[Item]:
    found = _scan(deployment, deployment.outputs.ledger_table)
    return [item for item in found if events is None or item["eventId"]["S"] in events]


def _scan(deployment: Deployment, table: str) -> list[Item]:
    pages = deployment.clients.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [dict(item) for page in pages for item in page["Items"]]
