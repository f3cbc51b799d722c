"""`make prove-replay`: the proof of `turnstile dlq replay` in full, on a stack of its own."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import asdict

from infra.cli.deployment import Deployment
from infra.cli.main import main as turnstile
from tests.support.replay_proof import Size, prove


def _main() -> int:
    parser = argparse.ArgumentParser(
        description="Prove that replaying dead letters loses, doubles and reorders nothing."
    )
    parser.add_argument("--letters", type=int, default=1000)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", default="4630", help="where its stack listens")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    args = parser.parse_args()

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as home:
        os.environ["TURNSTILE_HOME"] = home
        with redirect_stdout(sys.stderr):
            code = turnstile(["up", "--detach", "--port", args.port])
        if code:
            return code
        try:
            size = Size(args.letters, args.events, args.kills, args.seed, forgetful=True)
            findings = prove(Deployment.resolve(), size, say)
        finally:
            with redirect_stdout(sys.stderr):
                turnstile(["down"])
    figures = asdict(findings) | {"ok": findings.ok}
    print(json.dumps(figures) if args.json else "\n".join(f"{name:<16} {value}" for name, value in figures.items()))
    return 0 if findings.ok else 1


if __name__ == "__main__":
    sys.exit(_main())
