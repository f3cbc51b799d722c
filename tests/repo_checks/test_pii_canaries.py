"""The watch over personal data sees every leak."""

from __future__ import annotations

import re
from pathlib import Path

from tests.repo_checks.conftest import run_pytest

CONFTEST = """
import os
os.environ.update(AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
import pytest
from tests.support.pii_canaries import Canaries
def pytest_configure(config):
    config.pluginmanager.register(Canaries())
"""
HEAD = """
import boto3, logging, pytest
from moto import mock_aws
from tests.support.pii_canaries import person, watch, watch_answer
from tests.support.fake_sqs import FakeSqs
from workers.metrics import Metric
from workers.telemetry import logger, measure
ANN = person("ann")
"""
LEAKS = {
    "a log line": "logger.info('created', extra={'called': ANN['name']})",
    "a log line below errors": "logger.warning(ANN['email'].upper())",
    "a metric": "measure({Metric.CONFIRMED: 1}, who=ANN['name'])",
    "another logger": "logging.getLogger('other').error(ANN['name'])",
    "what is printed": "print(ANN)",
    "what the test itself reads": "print(ANN); capsys.readouterr()",
    "a message": """
    with mock_aws():
        sqs = boto3.client("sqs")
        sqs.send_message(QueueUrl=sqs.create_queue(QueueName="q")["QueueUrl"], MessageBody=ANN["name"])""",
    "an attribute of a message": """
    sent = {"MessageGroupId": "g", "MessageDeduplicationId": "d", "MessageBody": "{}"}
    why = {"reason": {"DataType": "String", "StringValue": ANN["email"]}}
    FakeSqs().send_message(QueueUrl="q", MessageAttributes=why, **sent)""",
    "a problem": "watch_answer('GET /', 404, {}, ANN['name'])",
    "a header": "watch_answer('GET /', 200, {'Location': ANN['email']}, '')",
}
CLEAN = """
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        key = [{"AttributeName": "userId", "AttributeType": "S"}], [{"AttributeName": "userId", "KeyType": "HASH"}]
        dynamodb.create_table(
            TableName="u", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=key[0], KeySchema=key[1]
        )
        dynamodb.put_item(TableName="u", Item={name: {"S": value} for name, value in ANN.items()})
    watch_answer('GET /users/ann', 200, {}, ANN['name'])
    logger.info('created'); print('ann'); capsys.readouterr()
"""


def outcomes(folder: Path, *bodies: str) -> str:
    """Run tests with these bodies, each in a function of its own; return pytest's output."""
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    tests = [f"def test_{number}(capsys):\n    {body.strip()}\n" for number, body in enumerate(bodies)]
    (folder / "test_leaks.py").write_text(HEAD + "\n".join(tests), encoding="utf-8")
    return run_pytest(folder, "-q")


def test_every_leak_fails_its_test(tmp_path: Path) -> None:
    """A name or address in a log, a metric, output, a message, an error or a header fails the test that leaks it; in
    the table and in an authorized response it does not."""
    said = outcomes(tmp_path, *LEAKS.values(), CLEAN)
    assert f"{len(LEAKS)} failed, 1 passed" in said, said
    assert len(re.findall(r"^FAILED .+ - personal data in ", said, re.MULTILINE)) == len(LEAKS), said
