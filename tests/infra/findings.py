"""What cdk-nag and cfn-lint find, and what the code accepts of it."""

from __future__ import annotations

import json
from typing import Any

from aws_cdk import Acknowledgment
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from constructs import IConstruct

Finding = tuple[str, str]
"""Where (the path of a construct, or the name of a resource) and what (the name of a rule)."""

REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-2")
"""For which templates are checked: AWS's first one, one in the EU, and one that gets much later."""


class Accepted:
    """Takes the place of the CDK's `Validations`: it only keeps what is accepted, so that every finding is seen."""

    def __init__(self) -> None:
        self.reasons: dict[Finding, str] = {}
        self._path = ""

    def of(self, construct: IConstruct) -> Accepted:
        """The next acknowledgements are for this construct."""
        self._path = construct.node.path
        return self

    def acknowledge(self, rule: Acknowledgment) -> None:
        """Keep one."""
        self.reasons[self._path, rule.id] = rule.reason

    def within(self, stack: IConstruct) -> set[Finding]:
        """What is accepted in this stack."""
        return {(path, rule) for path, rule in self.reasons if f"{path}/".startswith(f"{stack.node.path}/")}


def covers(accepted: Finding, finding: Finding) -> bool:
    """Whether this is accepted: the same rule, on the construct or on one that it is part of."""
    return accepted[1] == finding[1] and f"{finding[0]}/".startswith(f"{accepted[0]}/")


def nag(scope: IConstruct) -> set[Finding]:
    """What cdk-nag's AwsSolutions rules find and nobody has told it to accept."""
    report = AwsSolutionsChecks().validate_scope(scope)
    return {
        (found.construct_path, violation.rule_name)
        for violation in report.violations
        for found in violation.violating_resources
    }


def cfn_lint(template: dict[str, Any]) -> set[Finding]:
    """What cfn-lint finds in any of the regions: errors and warnings."""
    found = lint(json.dumps(template), config=ManualArgs(regions=list(REGIONS)))
    return {("/".join(map(str, match.path[1:2])), match.rule.id) for match in found}
