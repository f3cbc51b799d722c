"""`turnstile status`: the addresses of a deployment's parts."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from infra.cli.arguments import add_stage
from infra.cli.deployment import ROOT_KEYS, Deployment

if TYPE_CHECKING:
    import argparse

HELP = "show the addresses of a deployment's parts"
DESCRIPTION = """\
Show the addresses of a deployment's API, queues and tables: of the local stack, or of a stage on AWS
(with the standard AWS credentials and region).

examples:
  turnstile status
  turnstile status --json | jq -r .apiUrl
  turnstile status --stage prod
  eval "$(turnstile status --env)"         then `aws sqs list-queues` and the like use the local stack

--json prints one object: apiUrl, endpointUrl (null on AWS), region, queueUrl, deadLetterQueueUrl,
failedPromotionsQueueUrl, alarmTopicArn, usersTable, eventsTable, registrationsTable, ledgerTable,
docsUrl (the API reference; null in production), userPoolId and userPoolClientId (null where the stack
has no user pool of its own), originUrl (the origin for a CDN in front of the API; null without publicUrl),
domainTarget and domainHostedZoneId (for the DNS record of the API's own domain; null without one).

Exit code 3 when there is no stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stage(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--env", action="store_true", help="print the variables with which `aws` uses this deployment")


def run(args: argparse.Namespace) -> int:
    """Print the addresses."""
    deployment = Deployment.resolve(args.stage)
    outputs = deployment.outputs.as_json()
    if args.env:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in _variables(deployment).items()))
    elif args.json:
        print(json.dumps(outputs))
    else:
        width = max(map(len, outputs))
        print("\n".join(f"{name:<{width}}  {value or '-'}" for name, value in outputs.items()))
    return 0


def _variables(deployment: Deployment) -> dict[str, str]:
    """Return the environment of the `aws` command: the region, and the emulator's address and keys if it is local."""
    outputs = deployment.outputs
    variables = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), outputs.region)  # boto3 reads the second only
    if outputs.endpoint_url:
        variables |= {"AWS_ENDPOINT_URL": outputs.endpoint_url, **ROOT_KEYS}
    return variables
