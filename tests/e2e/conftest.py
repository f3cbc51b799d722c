"""One stack for all end-to-end tests, and another one with authorization for those that ask for it; both are brought up
and ended with the command that everybody uses.

With TURNSTILE_STACK=running the local stack that runs already (`turnstile up` in another terminal) is one of the two:
the one with authorization if it was brought up with it. Tests that would take something away from whoever uses it, or
that need an empty stack (`own_stack`), are skipped then.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import pytest

from infra.cli.deployment import Clients, Outputs
from infra.cli.state_dir import StateDir
from tests.support import contract
from tests.support.browser import browsing
from tests.support.client import ApiClient
from tests.support.pii_canaries import watch
from tests.support.stacks import NoStack, function_logs, local_deployment, stack_in, take_dead_letters, turnstile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

# Tried in this order, not chosen at random: the synthesised stack depends on the port, and is used again.
PORTS = range(4600, 4620)
GUARDED_PORTS = range(4620, 4640)
SETTING = "TURNSTILE_STACK"
_HERE = Path(__file__).parent
_HOMES = pytest.StashKey[dict[str, Path]]()
"""Of the stacks that are up, by the name of their fixture."""
_RUNNING = pytest.StashKey[tuple[Path, Outputs]]()
"""The home and the parts of the stack that runs already; only with TURNSTILE_STACK=running."""
_TAIL = 15


def pytest_collection_finish(session: pytest.Session) -> None:
    """Finds the stack that runs, before any test does, and leaves out what is not for it."""
    wanted = os.environ.get(SETTING, "")
    ours = [item for item in session.items if item.path.is_relative_to(_HERE)]
    if not wanted or not ours:
        return
    if wanted != "running":
        raise pytest.UsageError(f"{SETTING} is {wanted}; it can be: running")
    home = StateDir().path
    status = turnstile("status", "--json", home=home)
    if status.returncode != 0:
        raise pytest.UsageError(f"{SETTING}=running, but {status.stderr.strip().removeprefix('turnstile: ')}")
    session.config.stash[_RUNNING] = home, Outputs.from_json(json.loads(status.stdout))
    for item in ours:
        for mark in item.iter_markers("own_stack"):
            item.add_marker(
                pytest.mark.skip(reason=f"needs a stack of its own ({mark.args[0]}): run it without {SETTING}")
            )


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Outputs]:
    """The addresses of the stack under test; it is the one that `turnstile` uses in all tests."""
    with _under_test(request, PORTS) as outputs, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TURNSTILE_HOME", str(_homes(request.config)["stack"]))
        yield outputs


@pytest.fixture(scope="session")
def guarded_stack(request: pytest.FixtureRequest) -> Iterator[Outputs]:
    """The addresses of the stack with authorization. Only the `home` of `guarded_home` leads to it."""
    with _under_test(request, GUARDED_PORTS, "--auth", "jwt") as outputs:
        yield outputs


@pytest.fixture(scope="session")
def guarded_home(guarded_stack: Outputs, pytestconfig: pytest.Config) -> Path:
    """The home of the stack with authorization: `turnstile("token", "ada", home=guarded_home)`."""
    return _homes(pytestconfig)["guarded_stack"]


def _running(config: pytest.Config, *, guarded: bool) -> tuple[Path, Outputs] | None:
    """The stack that runs already, if it is to be used and is the one with authorization, or the one without."""
    found = config.stash.get(_RUNNING, None)
    return found if found and bool(found[1].user_pool_id) == guarded else None


def _homes(config: pytest.Config) -> dict[str, Path]:
    return config.stash.setdefault(_HOMES, {})


@contextmanager
def _under_test(request: pytest.FixtureRequest, ports: range, *options: str) -> Iterator[Outputs]:
    """The stack that runs already, if it is the one that the fixture wants (with `options` one with authorization), or
    one that is brought up for it."""
    name = request.fixturename
    assert name is not None
    homes = _homes(request.config)
    if running := _running(request.config, guarded=bool(options)):
        homes[name], outputs = running
        yield outputs
        _keep_logs(homes[name], outputs)
        return
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    homes[name] = factory.mktemp(name)
    with _stack(homes[name], ports, *options) as outputs:
        yield outputs


@contextmanager
def _stack(home: Path, ports: range, *options: str) -> Iterator[Outputs]:
    """A stack in `home`, as long as the block runs. The tests fail if it does not come up, or does not end."""
    left: list[str] = []
    try:
        with stack_in(home, ports, left.append, *options) as outputs:
            yield outputs
            _keep_logs(home, outputs)
            take_dead_letters(outputs)
    except NoStack as error:
        pytest.fail(str(error))
    assert left == []


def _keep_logs(home: Path, outputs: Outputs) -> None:
    """Looks for personal data in the logs of the functions, which whoever looks into a failure finds in the home."""
    logs = function_logs(outputs)
    (home / "functions.log").write_text(logs)
    watch("the functions' logs", logs)


@pytest.fixture(scope="session")
def api(stack: Outputs) -> Iterator[httpx.Client]:
    """An HTTP client at the API's base address: `api.post("/events", json=...)`. Each answer must keep the contract."""
    with _client(stack) as client:
        yield client


@pytest.fixture(scope="session")
def guarded_api(guarded_stack: Outputs) -> Iterator[httpx.Client]:
    """The same of the stack with authorization; it sends no token by itself."""
    with _client(guarded_stack) as client:
        yield client


@pytest.fixture
def front(api: httpx.Client) -> ApiClient:
    """The routes of the API."""
    return ApiClient(api)


def _client(stack: Outputs) -> httpx.Client:
    base = unquote(httpx.URL(stack.api_url).path)

    def check(answer: httpx.Response) -> None:
        answer.read()
        path = unquote(answer.request.url.path).removeprefix(base)
        contract.check(answer.request.method, path, answer.status_code, answer.headers, answer.text)

    hooks: dict[str, list[Callable[..., Any]]] = {"response": [check]}
    return httpx.Client(base_url=stack.api_url, timeout=15, trust_env=False, event_hooks=hooks)


@pytest.fixture(scope="session")
def aws(stack: Outputs) -> Clients:
    """AWS clients of the stack under test, with the emulator's root keys: `aws.dynamodb`, `aws.sqs` and so on."""
    return local_deployment(stack).clients


@pytest.fixture(scope="session")
def guarded_aws(guarded_stack: Outputs) -> Clients:
    """The same of the stack with authorization."""
    return local_deployment(guarded_stack).clients


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all end-to-end tests. It ends with them: a process holds one Playwright at a time, and the tests
    of the demo's page, which may come next in this process, start their own."""
    with browsing() as found:
        yield found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test says where the logs are, and what the emulator said last."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    used = getattr(item, "fixturenames", ())
    for home in [home for name, home in _homes(item.config).items() if report.failed and name in used]:
        log = home / "emulator.log"
        tail: list[str] = []
        with suppress(OSError):
            tail = log.read_text(errors="replace").splitlines()[-_TAIL:]
        where = f"functions: {home / 'functions.log'} (after the last test)\nemulator: {log}, which ends:"
        report.sections.append(("logs of the stack", "\n".join([where, *tail])))
    return report  # type: ignore[return-value]
