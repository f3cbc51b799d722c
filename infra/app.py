"""The CDK app: `cdk deploy -c stage=local|dev|prod` (default dev) deploys the stack `turnstile-{stage}`."""

from __future__ import annotations

import os
import re
import sys
from difflib import get_close_matches
from typing import Any

import aws_cdk as cdk

from infra.build.bundles import BundleError
from infra.stack.stack import TurnstileStack
from infra.stack.stage import Stage

EMULATOR_ACCOUNT = "000000000000"


def main() -> int:
    """Synthesize the stack that the CDK's context describes. On bad input print one sentence to stderr and return 1."""
    app = cdk.App(analytics_reporting=False, tree_metadata=False)
    try:
        add_stack(app)
    except (BundleError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    app.synth()
    return 0


def add_stack(app: cdk.App) -> None:
    """Add the stack that the context describes. Raises BundleError or ValueError, each with one sentence."""
    context = _Context(app)
    stage = Stage.parse(context)
    context.refuse_unknown()
    stage.address.require_account_and_region(
        os.environ.get("CDK_DEFAULT_ACCOUNT"), os.environ.get("CDK_DEFAULT_REGION")
    )
    if stage.name == "local":
        _require_emulator()
        # Copying the bundles would take longer than the rest of a local synthesis.
        app.node.set_context("aws:cdk:disable-asset-staging", True)
    # For AWS neither account nor region is set: synthesis needs no credentials and no lookups. The assembly for the
    # emulator stays on disk, so it names the emulator's account: the CDK must not deploy it to AWS.
    env = cdk.Environment(account=EMULATOR_ACCOUNT) if stage.name == "local" else None
    TurnstileStack(app, f"turnstile-{stage.name}", stage=stage, env=env)


class _Context:
    """The CDK's context, read by name. The names that were read are the known settings."""

    def __init__(self, app: cdk.App) -> None:
        self._app = app
        self._known = set[str]()

    def __call__(self, name: str) -> Any:
        """Return the value of a setting, None if it is not set."""
        self._known.add(name)
        return self._app.node.try_get_context(name)

    def refuse_unknown(self) -> None:
        """Raise ValueError for an unknown setting. The CDK's own names contain colons or slashes."""
        for name in sorted(self._app.node.get_all_context().keys() - self._known):
            if re.fullmatch(r"\w+", name):
                close = get_close_matches(name, self._known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"the settings are {', '.join(sorted(self._known))}"
                raise ValueError(f"unknown setting {name}: {hint}")


def _require_emulator() -> None:
    """Raise ValueError if the CDK would deploy to an AWS account, where this stage would be open to everyone."""
    account = os.environ.get("CDK_DEFAULT_ACCOUNT", EMULATOR_ACCOUNT)
    if account != EMULATOR_ACCOUNT:
        raise ValueError(f"stage=local is for the emulator, not for the AWS account {account}: use turnstile up")


if __name__ == "__main__":
    sys.exit(main())
