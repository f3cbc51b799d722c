"""The findings of cdk-nag and cfn-lint, and their suppressions in the code."""

from __future__ import annotations

import json
from typing import Any

from aws_cdk import Acknowledgment
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from constructs import IConstruct

Finding = tuple[str, str]
"""The path of a construct or the logical id of a resource, and the name of a rule."""

REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-2")
"""The regions to check for: AWS's first one, one in the EU, and one that gets features late."""


class Suppressions:
    """A stand-in for the CDK's `Validations` that only records suppressions, so that cdk-nag reports every finding."""

    def __init__(self) -> None:
        self.reasons: dict[Finding, str] = {}
        self._path = ""

    def of(self, construct: IConstruct) -> Suppressions:
        """Select the construct of the next suppression."""
        self._path = construct.node.path
        return self

    def acknowledge(self, rule: Acknowledgment) -> None:
        """Record a suppression."""
        self.reasons[self._path, rule.id] = rule.reason

    def within(self, stack: IConstruct) -> set[Finding]:
        """Return the suppressions in this stack."""
        return {(path, rule) for path, rule in self.reasons if f"{path}/".startswith(f"{stack.node.path}/")}


def covers(suppression: Finding, finding: Finding) -> bool:
    """Tell whether a suppression applies: the same rule, on the construct or a parent."""
    return suppression[1] == finding[1] and f"{finding[0]}/".startswith(f"{suppression[0]}/")


def nag(scope: IConstruct) -> set[Finding]:
    """Return the findings of cdk-nag's AwsSolutions rules that are not suppressed."""
    report = AwsSolutionsChecks().validate_scope(scope)
    return {
        (found.construct_path, violation.rule_name)
        for violation in report.violations
        for found in violation.violating_resources
    }


def cfn_lint(template: dict[str, Any]) -> set[Finding]:
    """Return the errors and warnings of cfn-lint in any of the regions."""
    found = lint(json.dumps(template), config=ManualArgs(regions=list(REGIONS)))
    return {("/".join(map(str, match.path[1:2])), match.rule.id) for match in found}
