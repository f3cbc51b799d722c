"""The commands of an operator: the CDK's command line, and a page's commands for the AWS CLI."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name

from infra.build.bundles import ROOT
from infra.cli.local.assembly import _CDK, INFRA, _node

_QUIET = ("--ci", "--no-color", "--no-notices", "--no-version-reporting")


def deploy(assembly: Path, url: str, *flags: str, approval: str = "never") -> subprocess.CompletedProcess[str]:
    """Deploy the synthesized production with the project's CDK to the services at `url`.

    `approval` is what the CDK asks approval for. There is no terminal, so the answer is no.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_", "NODE_"))}
    cache = ROOT / "build" / "cache"
    environment = kept | {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
        # The CDK caches there which account the keys belong to; for the local stacks that is another account.
        "CDK_HOME": str(cache / "first-deployment"),
        "NODE_COMPILE_CACHE": str(cache / "node"),
        "NO_PROXY": "127.0.0.1",
    }
    command = [str(_node()), str(_CDK), "deploy", "turnstile-prod", "--app", str(assembly)]
    return subprocess.run(
        [*command, *_QUIET, "--require-approval", approval, *flags],
        cwd=INFRA,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def aws(command: str, url: str) -> None:
    """Run a command of the AWS CLI (`aws SERVICE OPERATION --option value --no-flag`) on the services at `url`."""
    program, service, operation, *options = shlex.split(command)
    assert program == "aws"
    client: Any = boto3.client(service, endpoint_url=url)  # type: ignore[call-overload]  # its name is on the page
    name = operation.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[name]).input_shape
    assert shape is not None
    members = {xform_name(member, "-"): member for member in shape.members}
    arguments: dict[str, Any] = {}
    while options:
        option = options.pop(0).removeprefix("--")
        if option.removeprefix("no-") in members and option not in members:
            arguments[members[option.removeprefix("no-")]] = False
        else:
            arguments[members[option]] = options.pop(0)
    getattr(client, name)(**arguments)
