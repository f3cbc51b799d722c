"""The database of these tests: clear words when it is missing, nothing left running when it is done."""

from __future__ import annotations

import socket
from pathlib import Path

import boto3
import pytest

from tests.support import java
from tests.support.dynamodb_local import Unavailable, dynamodb_local

pytestmark = pytest.mark.integration


def test_a_missing_jar_says_what_to_do(tmp_path: Path) -> None:
    """Without the npm packages there is one sentence, and it names `make setup`."""
    with (
        pytest.raises(Unavailable, match="DynamoDB Local is not installed: run `make setup`"),
        dynamodb_local(tmp_path),
    ):
        pass


def test_a_missing_java_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any Java there is one sentence, which says how to get one."""
    monkeypatch.setattr(java, "of_machine", lambda: None)
    monkeypatch.setattr(java, "packaged", lambda: None)
    with pytest.raises(Unavailable, match=r"needs Java 17 or newer.*make setup"), dynamodb_local():
        pass


def test_a_database_that_ends_at_once_is_noticed(tmp_path: Path) -> None:
    """A jar that is none: no waiting, the code with which it ended."""
    (tmp_path / "DynamoDBLocal.jar").write_text("no jar")
    with pytest.raises(Unavailable, match="ended at once with code 1"), dynamodb_local(tmp_path):
        pass


def test_it_ends_with_its_context() -> None:
    """Inside the context the database answers; behind it, also when a test failed inside, nobody does any more."""
    failure = pytest.raises(ZeroDivisionError)
    with failure, dynamodb_local() as url:
        _use(url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=1)


def _use(url: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=url)
    assert client.list_tables()["TableNames"] == []
    raise ZeroDivisionError
