"""The CDK app: `cdk deploy -c stage=local|dev|prod` (default dev) makes the stack `turnstile-{stage}`."""

from __future__ import annotations

import sys

import aws_cdk as cdk

from infra.bundles import BundleError
from infra.stack import TurnstileStack
from infra.stage import Stage


def main() -> int:
    """Synthesize the stack that the CDK's context asks for; on bad input one sentence on stderr and code 1."""
    app = cdk.App(analytics_reporting=False, tree_metadata=False)
    try:
        stage = Stage.parse(app.node.try_get_context("stage") or "dev", app.node.try_get_context("endpoint"))
        if stage.name == "local":
            # The bundles stay where they are: copying them costs more than all the rest of a local synthesis.
            app.node.set_context("aws:cdk:disable-asset-staging", True)
        # No account and no region here: synthesis needs neither credentials nor lookups.
        TurnstileStack(app, f"turnstile-{stage.name}", stage=stage)
    except (BundleError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
