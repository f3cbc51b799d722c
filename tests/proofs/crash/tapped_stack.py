"""A local stack whose functions call AWS through the proxy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from infra.cli.deployment import Deployment
from infra.cli.function_logs import configurations, lines, log_groups
from infra.functions import ALWAYS
from tests.proofs.crash.proxy import InterceptingProxy, tapped
from tests.support.client import ApiClient
from tests.support.stacks import set_variables

if TYPE_CHECKING:
    from infra.cli.deployment import Clients, Outputs

_WRITES = {"BatchWriteItem", "DeleteItem", "PutItem", "SendMessage", "UpdateItem"}

FUNCTIONS = {spec.handler: spec.name for spec in ALWAYS if _WRITES & {*" ".join(spec.grants.values()).split()}}
"""The functions that write or send anything, by handler."""

API = frozenset(spec.name for spec in ALWAYS if spec.package == "api")
"""The functions that a client waits for."""

VISIBILITY_SECONDS = 1
"""The seconds for which the batch of a killed registrar stays invisible, instead of 90: the only changed setting."""

_PATIENCE_SECONDS = 30


class TappedStack:
    """A running stack; see `tapped_stack`."""

    def __init__(self, deployment: Deployment, proxy: InterceptingProxy, http: httpx.Client) -> None:
        self.proxy = proxy
        self.outputs: Outputs = deployment.outputs
        self.clients: Clients = deployment.clients
        self.front = ApiClient(http)
        self._groups = {
            FUNCTIONS[handler]: group for handler, group in log_groups(deployment).items() if handler in FUNCTIONS
        }

    def logged(self, word: str, since: float) -> Sequence[str]:
        """Return the log lines with that word since then (seconds since 1970), in order of time."""
        found = [
            (line.at, function, line.text)
            for function, group in self._groups.items()
            for page in lines(self.clients.logs, group, f'"{word}"', since)
            for line in page
        ]
        return [f"{function}: {text}" for _, function, text in sorted(found)]


@contextmanager
def tapped_stack(
    deployment: Deployment, functions: Collection[str] = frozenset(FUNCTIONS.values())
) -> Iterator[TappedStack]:
    """Route the calls of these functions through a proxy while the block runs."""
    outputs, clients = deployment.outputs, deployment.clients
    assert outputs.endpoint_url is not None
    names = {
        outputs.users_table: "users",
        outputs.events_table: "events",
        outputs.registrations_table: "registrations",
        outputs.ledger_table: "ledger",
        outputs.queue_url: "commands",
        outputs.dead_letter_queue_url: "dead letters",
    }
    proxy = InterceptingProxy(outputs.endpoint_url, names)
    own = [found for found in configurations(deployment) if FUNCTIONS.get(found["Handler"]) in functions]
    settings = {found["FunctionName"]: dict(found["Environment"]["Variables"]) for found in own}
    words = {found["FunctionName"]: FUNCTIONS[found["Handler"]] for found in own}
    url = outputs.queue_url
    visibility = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]

    with (
        tapped(proxy, set(words.values())) as addresses,
        httpx.Client(base_url=outputs.api_url, timeout=_PATIENCE_SECONDS, trust_env=False) as http,
    ):
        try:
            clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
            for function, variables in settings.items():
                set_variables(clients.functions, function, variables | {"AWS_ENDPOINT_URL": addresses[words[function]]})
            yield TappedStack(deployment, proxy, http)
        finally:
            proxy.watch(())
            for function, variables in settings.items():
                set_variables(clients.functions, function, variables)
            clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={**visibility})
