"""The templates of dev and prod can be deployed to moto."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from moto.cloudformation.parsing import generate_resource_name

from tests.infra.second_emulator import CALLS, LACKING, MOTOS_TYPES, deployed

STAGES = ("dev", "prod")


@pytest.mark.parametrize("stage", STAGES)
def test_every_resource_is_created(templates: dict[str, dict[str, Any]], stage: str) -> None:
    """Every resource is created, except those of the types that moto lacks, and every output has a value."""
    template = templates[stage]
    with deployed(f"turnstile-{stage}", template) as ids:
        missing = {entry["Type"] for name, entry in template["Resources"].items() if ids.get(name, "None") == "None"}
        assert missing == set(LACKING)
        (description,) = boto3.client("cloudformation").describe_stacks(StackName=f"turnstile-{stage}")["Stacks"]
        outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in description["Outputs"]}
        assert outputs.keys() == template["Outputs"].keys()
        assert all(outputs.values())
        assert outputs["UsersTable"] == ids["UsersTable"]
        # A reference to something that does not exist becomes "None" in moto.
        environments = [
            boto3.client("lambda").get_function_configuration(FunctionName=ids[name])["Environment"]["Variables"]
            for name, entry in template["Resources"].items()
            if entry["Type"] == "AWS::Lambda::Function"
        ]
        assert not [value for found in environments for value in found.values() if not value or "None" in value]


def test_types_that_moto_lacks(templates: dict[str, dict[str, Any]]) -> None:
    """The types that are created by our own calls, or left out, are used and still missing from moto."""
    used = {entry["Type"] for name in STAGES for entry in templates[name]["Resources"].values()}
    assert {*CALLS, *LACKING} <= used
    queue = "AWS::SQS::Queue"
    assert (CALLS.keys() | LACKING.keys()) & MOTOS_TYPES == {queue}
    assert not generate_resource_name(queue, "stack", "Queue").endswith(".fifo")
