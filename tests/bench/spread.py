"""Spread load: a batch whose messages are of ten events, in one transaction, against one transaction per event."""

from __future__ import annotations

import time
from itertools import count
from statistics import median

from tests.bench.engine import BATCH, Engine, deliver, logs_to_nowhere, names
from tests.bench.figures import Bars, Figure, Part, at_least
from tests.bench.service import Service
from tests.bench.setting import Setting
from tests.integration.bench import batch
from tests.support.builders import register

_ROUNDS = 12


def measure(setting: Setting) -> Part:
    """Registrations a second with the times of AWS: ten events' messages in one batch, and each in a batch of its own.

    The same code and the same commands; medians of alternated runs.
    """
    engine = Engine(setting)
    client = engine.client()
    Service(engine.reader).attach(client)
    registrar = engine.registrar(client)
    users, numbers = names(_ROUNDS), count(1)

    def run(together: int) -> float:
        """Every event gets one registration per round; `together` messages come in one batch."""
        events = [engine.add_event(f"spread-{next(numbers)}", 100_000) for _ in range(BATCH)]
        commands = [register(user, event=event) for user in users for event in events]
        deliveries = [batch(*commands[start : start + together]) for start in range(0, len(commands), together)]
        began = time.perf_counter()
        deliver(registrar, deliveries)
        return len(commands) / (time.perf_counter() - began)

    pairs = []
    with logs_to_nowhere():
        for number in range(setting.runs):
            setting.say(f"spread load: run {number + 1} of {setting.runs}")
            pairs.append((run(BATCH), run(1)))
    one, many = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    figures = [
        Figure("one transaction for ten events", one, "registrations/s", note="modelled, one batch after the other"),
        Figure("one transaction for each event", many, "registrations/s", note="the same commands, batches of one"),
        Figure("one transaction to many", one / many, "times", at_least(5)),
    ]
    bars = {"one transaction for ten events": one, "one transaction for each": many}
    return Part(
        "spread load", figures, [Bars("Ten events, registrations a second (modelled)", "registrations/s", bars)]
    )
