"""The CDK app: `cdk deploy -c stage=local|dev|prod` (default dev) makes the stack `turnstile-{stage}`."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import aws_cdk as cdk

from infra.build.bundles import BundleError
from infra.settings.address import Address
from infra.settings.auth import CONTEXT
from infra.settings.cors import origins_of
from infra.settings.limits import Limits
from infra.stack.stack import TurnstileStack
from infra.stack.stage import Stage

EMULATOR_ACCOUNT = "000000000000"


def main() -> int:
    """Synthesize the stack that the CDK's context asks for; on bad input one sentence on stderr and code 1."""
    app = cdk.App(analytics_reporting=False, tree_metadata=False)
    context = _Context(app)
    try:
        stage = Stage.parse(context("stage") or "dev", context("endpoint"), {name: context(name) for name in CONTEXT})
        stage = replace(
            stage, limits=Limits.parse(context), address=Address.parse(context), cors_origins=origins_of(context)
        )
        context.refuse_unknown()
        stage.address.require_here(os.environ.get("CDK_DEFAULT_ACCOUNT"), os.environ.get("CDK_DEFAULT_REGION"))
        if stage.name == "local":
            _require_emulator()
            # The bundles stay where they are: copying them costs more than all the rest of a local synthesis.
            app.node.set_context("aws:cdk:disable-asset-staging", True)
        # No account and no region here: synthesis needs neither credentials nor lookups. But what was made for the
        # emulator stays on the disk, and the CDK must not deploy that to an account of AWS.
        env = cdk.Environment(account=EMULATOR_ACCOUNT) if stage.name == "local" else None
        TurnstileStack(app, f"turnstile-{stage.name}", stage=stage, env=env)
    except (BundleError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    app.synth()
    return 0


class _Context:
    """The CDK's context, read by name. It remembers which names were asked for: these are the settings."""

    def __init__(self, app: cdk.App) -> None:
        self._app = app
        self._known = set[str]()

    def __call__(self, name: str) -> Any:
        """Return the value of a setting; None if it is not given."""
        self._known.add(name)
        return self._app.node.try_get_context(name)

    def refuse_unknown(self) -> None:
        """Raise ValueError for a name that no setting has. The CDK's own names have colons or slashes."""
        for name in sorted(self._app.node.get_all_context().keys() - self._known):
            if re.fullmatch(r"\w+", name):
                close = get_close_matches(name, self._known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(self._known))}"
                raise ValueError(f"{name} is not a setting: {hint}")


def _require_emulator() -> None:
    """Raise ValueError where the CDK would deploy with the keys of an AWS account: there the stage would be open to
    everybody."""
    account = os.environ.get("CDK_DEFAULT_ACCOUNT", EMULATOR_ACCOUNT)
    if account != EMULATOR_ACCOUNT:
        raise ValueError(
            f"The stage local is for the emulator, and not for the AWS account {account}: use turnstile up"
        )


if __name__ == "__main__":
    sys.exit(main())
