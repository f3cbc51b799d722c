"""The Lambda entries: settings from the environment, read once, and an answer to a real event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from types import ModuleType

import pytest

from api.events import handler as events
from api.http.app import App
from api.http.auth import allow_anyone
from api.registrations import handler as registrations
from api.settings import EventSettings, RegistrationSettings, UserSettings
from api.users import handler as users
from tests.support.http_events import http_event
from tests.support.pipeline import BASE_URL, Pipeline
from workers.settings import MissingSetting, Settings

SETTINGS: dict[ModuleType, type[Settings]] = {
    users: UserSettings, events: EventSettings, registrations: RegistrationSettings,
}  # fmt: skip


def names_of(module: ModuleType) -> set[str]:
    """The environment variables that a function needs where authorization is off and writes have no limit."""
    return {"AUTH"} | {field.name.upper() for field in fields(SETTINGS[module])}


@pytest.fixture
def environment(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of all functions, and no function that has read others."""
    settings = pipeline.tables.settings(RegistrationSettings, pipeline.queue, "https://public.example/base")
    values = {name.upper(): value for name, value in asdict(settings).items()}
    values["ERASURE_QUEUE_URL"] = pipeline.erasures
    for name, value in (values | {"AWS_DEFAULT_REGION": "eu-central-1", "AUTH": "none"}).items():
        monkeypatch.setenv(name, value)
    _forget()
    yield
    _forget()


def _forget() -> None:
    for module in SETTINGS:
        module._app.cache_clear()


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in SETTINGS for name in sorted(names_of(module))]
)
def test_missing_setting(environment: None, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> None:
    """A function without one of its settings fails at its first event, with the name of what is missing."""
    monkeypatch.delenv(name)
    with pytest.raises(MissingSetting, match=f"environment variable {name} is not set"):
        module.handler(http_event("GET", "/", None, {}), None)


@pytest.mark.parametrize("module", SETTINGS)
def test_needs_nothing_else(environment: None, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """A function starts with its own settings alone."""
    for name in {name for other in SETTINGS for name in names_of(other)} - names_of(module):
        monkeypatch.delenv(name)
    assert module.handler(http_event("GET", "/", None, {}), None)["statusCode"] == 404


@pytest.mark.parametrize(
    ("module", "method", "path", "body", "statuses"),
    [
        (users, "POST", "/users", {"userId": "ann", "name": "Ann"}, [201, 409, 429]),
        (events, "PATCH", "/events/e", {"title": "N"}, [404, 404, 429]),
        (registrations, "DELETE", "/events/e/registrations/ann", None, [404, 404, 429]),
    ],
)
def test_limit_of_writes(
    environment: None,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    method: str,
    path: str,
    body: object,
    statuses: list[int],
) -> None:
    """Each function keeps to the limit in its settings, and refused requests count too; reading has none."""
    monkeypatch.setenv("WRITES_PER_SECOND", "0.001")
    monkeypatch.setenv("WRITES_BURST", "2")
    text = None if body is None else json.dumps(body)
    event = http_event(method, path, text, {"content-type": "application/json"})
    assert [module.handler(event, None)["statusCode"] for _ in statuses] == statuses
    assert module.handler(http_event("GET", "/", None, {}), None)["statusCode"] == 404


def test_no_content_has_none(pipeline: Pipeline) -> None:
    """A 204 comes with an empty body; a request without any header is no fault."""
    pipeline.register(pipeline.add_event("e", 1), pipeline.add_user("ann"))
    event = http_event("DELETE", "/events/e/registrations/ann", None, {}) | {"headers": None}
    gone = App(pipeline.apps["registrations"], allow_anyone, BASE_URL).respond(event)
    assert (gone["statusCode"], gone["body"]) == (204, "")
