"""`turnstile logs` on a fake deployment: which lines it shows, in which order."""

from __future__ import annotations

import json

import pytest

from infra.cli.deployment import Deployment
from infra.cli.function_logs import REGISTRAR, REGISTRATIONS
from tests.cli.command import Turnstile
from tests.cli.fakes import FakeDeployment

NOW = 1_800_000_000.0
ESCAPED = "\N{REPLACEMENT CHARACTER}[31mpycon-2"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """The deployment that `turnstile` finds, with a request, a decision, another event's failure, and metrics."""
    fake = FakeDeployment()
    fake.logs.say(REGISTRAR, NOW + 2, message="decided", level="INFO", event_id="pycon", outcome="confirmed")
    fake.logs.say(REGISTRATIONS, NOW + 1, message="accepted", level="INFO", event_id="pycon", command="Register")
    failed = {"level": "ERROR", "event_id": "\x1b[31mpycon-2", "exception": "Traceback\nKeyError: 'x'"}
    fake.logs.say(REGISTRAR, NOW + 3, message="a command cannot be processed", **failed)
    fake.logs.measure(REGISTRAR, NOW + 2, Confirmed=[1.0])
    monkeypatch.setattr(Deployment, "resolve", lambda _stage: fake.deployment)
    return fake


@pytest.mark.usefixtures("fake")
def test_lines_of_all_functions_in_order(turnstile: Turnstile) -> None:
    """The lines of all functions are merged by time, say what they are about, and are safe to print; metrics are left
    out."""
    assert [line[24:] for line in turnstile("logs", "--since", "2020-01-01T00:00").lines] == [
        "  INFO     registrations  accepted  (event_id pycon, command Register)",
        "  INFO     registrar      decided  (event_id pycon, outcome confirmed)",
        f"  ERROR    registrar      a command cannot be processed  (event_id {ESCAPED})  KeyError: 'x'",
    ]


@pytest.mark.usefixtures("fake")
def test_lines_of_one_event(turnstile: Turnstile) -> None:
    """With --event only its own lines are shown, not those of an event whose id contains it; --json has all fields."""
    ended = turnstile("logs", "--event", "pycon", "--since", "2020-01-01T00:00", "--json")
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [(line["function"], line["message"]) for line in found] == [
        ("registrations", "accepted"),
        ("registrar", "decided"),
    ]
    assert found[1]["outcome"] == "confirmed"
    assert turnstile("logs", "--event", "nowhere", "--since", "2020-01-01T00:00") == (0, "", "")


def test_following(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, turnstile: Turnstile) -> None:
    """--follow shows each line once, late ones too, until Ctrl-C, which is exit code 0."""
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt
        fake.logs.say(REGISTRAR, NOW - 50, message=f"late {len(pauses)}", level="INFO", event_id="pycon")

    monkeypatch.setattr("infra.cli.commands.logs.time.sleep", pause)
    monkeypatch.setattr("infra.cli.commands.logs.time.time", lambda: NOW)
    ended = turnstile("logs", "--follow", "--since", "2020-01-01T00:00")
    assert ended.code == 0
    assert len(ended.lines) == 5
    assert [text for line in ended.lines for text in ("late 1", "late 2") if text in line] == ["late 1", "late 2"]
