"""A journey through everything that the functions do, with and without a grant: a sample of `make prove-iam`."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from infra.cli.deployment import Deployment, Outputs
from tests.proofs.iam.grants import Grant, grants_of, without
from tests.proofs.iam.journey import Journey, JourneyFailed
from tests.proofs.iam.needs import needs_of
from tests.support.stacks import local_deployment, take_dead_letters

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def deployment(guarded_stack: Outputs) -> Deployment:
    """The stack with authorization."""
    return local_deployment(guarded_stack)


@pytest.fixture
def journey(deployment: Deployment) -> Iterator[Journey]:
    """A journey through that stack; its dead letters are removed."""
    with httpx.Client(base_url=deployment.outputs.api_url, timeout=15, trust_env=False) as api:
        yield Journey(deployment, api)
    take_dead_letters(deployment.outputs)


@pytest.mark.own_stack("a function loses a permission")
def test_the_journey(deployment: Deployment, journey: Journey) -> None:
    """With all grants it passes; without one of them it gets stuck where that is needed."""
    journey.make()
    (needed,) = [
        grant
        for grant in grants_of(deployment.clients.iam, deployment)
        if (grant.function, grant.action) == ("ApiEvents", "dynamodb:PutItem")  # missed at once, not after a wait
    ]
    missed = pytest.raises(JourneyFailed, match="POST /events was answered 500")
    with without(deployment.clients.iam, needed), missed:
        journey.make()


def test_what_lambda_needs_is_there(deployment: Deployment) -> None:
    """Each role grants what Lambda itself needs to read queue and stream and to write logs, which no journey shows."""
    needs, grants = needs_of(deployment), set[Grant](grants_of(deployment.clients.iam, deployment))
    assert needs - grants == set()
    assert {grant.function for grant in needs} == {grant.function for grant in grants}
