"""The stack: tables, queues, functions and their triggers, the HTTP API, and monitoring. It also runs locally."""

from __future__ import annotations

from aws_cdk import Annotations, CfnOutput, Environment, Stack
from constructs import Construct

from infra.build.bundles import LAMBDA_PYTHON, compiler
from infra.functions import Setting
from infra.stack.functions import Functions
from infra.stack.http.http_api import HttpApi
from infra.stack.identity.token_issuer import TokenIssuer
from infra.stack.monitoring.alarms import Alarms
from infra.stack.monitoring.dashboard import Dashboard
from infra.stack.monitoring.metrics import Metrics
from infra.stack.monitoring.queries import Queries
from infra.stack.queues import Queues
from infra.stack.stage import Stage
from infra.stack.tables import Tables
from infra.stack.triggers import Triggers

NOT_COMPILED = f"""\
There is no Python {LAMBDA_PYTHON} on this machine to compile the functions with: their cold starts will take more \
than twice as long. Put python{LAMBDA_PYTHON} on the PATH; you need not run make setup again."""


class TurnstileStack(Stack):
    """All of Turnstile for one stage. The outputs are what `turnstile status` shows.

    `env` is the account that the CDK may deploy it to; None means the account of its credentials.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, env: Environment | None = None) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            description=f"Turnstile, event registration ({stage.name})",
            termination_protection=stage.keeps_data,
        )
        if compiler(stage.platform) is None:
            Annotations.of(self).add_warning_v2("turnstile:not-compiled", NOT_COMPILED)
        tables = Tables(self, "Tables", stage=stage)
        queues = Queues(self, "Queues", stage=stage)
        issuer = TokenIssuer(self, "Identity", stage=stage)
        http = HttpApi(self, "Http", stage=stage)
        api_settings: dict[Setting, str] = {"API_URL": http.url, **issuer.environment}
        functions = Functions(self, stage=stage, tables=tables, queues=queues, api_settings=api_settings)
        http.connect(functions, issuer)
        Triggers(self, "Triggers", stage=stage, functions=functions, tables=tables, queues=queues)
        metrics = Metrics(stage=stage, http=http, tables=tables, queues=queues, functions=functions)
        alarms = Alarms(self, "Alarms", stage=stage, metrics=metrics)
        Dashboard(self, "Dashboard", stage=stage, metrics=metrics)
        if stage.on_aws:  # the emulator has no saved queries
            Queries(self, "Queries", stage=stage, functions=functions)
        outputs = {
            "ApiUrl": http.url,
            "QueueUrl": queues.commands.queue_url,
            "DeadLetterQueueUrl": queues.dead_letters.queue_url,
            "FailedPromotionsQueueUrl": queues.failed_promotions.queue_url,
            "AlarmTopicArn": alarms.topic.topic_arn,
            "UsersTable": tables.users.table_name,
            "EventsTable": tables.events.table_name,
            "RegistrationsTable": tables.registrations.table_name,
            "LedgerTable": tables.ledger.table_name,
            **issuer.outputs,
            **http.outputs,
        }
        if stage.has_reference:
            outputs["DocsUrl"] = f"{http.url}/docs"
        for name, value in outputs.items():
            CfnOutput(self, f"{name}Output", value=value).override_logical_id(name)
