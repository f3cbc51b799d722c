"""`make prove-fakes`: compares the in-memory DynamoDB with AWS's DynamoDB Local (a sample of it is in `make test`)."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from infra.cli.processes import Interrupts
from tests.proofs.fakes.check import ROUND, Difference, Findings, check
from tests.support.command_line import INTERRUPTED, at_least, note
from tests.support.dynamodb_local import Unavailable, dynamodb_local

_SHOWN = 5

_DESCRIPTION = f"""\
Do the same operations on the in-memory DynamoDB of the simulation and on AWS's own DynamoDB Local,
and compare every answer: first requests at the edges of what DynamoDB takes, which are always the same,
then by chance what Turnstile itself asks for, and made-up requests.

All begins anew with empty tables every {ROUND} operations, each such round with a seed of its own: SEED,
SEED + 1, and so on. Progress goes to stderr. DynamoDB Local is started on a free port, and ended."""

_EPILOG = f"""\
examples:
  python -m tests.proofs.fakes                                 50,000 operations; five to ten minutes on 2 processors
  python -m tests.proofs.fakes --operations {ROUND} --seed 1017    one round again
  python -m tests.proofs.fakes --json                          the figures as one JSON object on stdout

exit codes: 0 no difference; 1 differences (the first {_SHOWN} are shown, each with the shortest history that was
            found), or DynamoDB Local cannot be used; 2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Compare. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    args = _parser().parse_args(argv)
    try:
        with Interrupts(), dynamodb_local(thorough=True) as url:
            findings = check(url, args.operations, args.seed, note)
    except KeyboardInterrupt:
        print("prove-fakes: interrupted; DynamoDB Local is ended", file=sys.stderr)
        return INTERRUPTED
    except Unavailable as error:
        print(f"prove-fakes: {error}", file=sys.stderr)
        return 1
    print(json.dumps(_as_json(findings, args.seed), default=repr) if args.json else _as_text(findings))
    return 1 if findings.differences else 0


def _as_json(findings: Findings, seed: int) -> dict[str, Any]:
    return {
        "ok": not findings.differences,
        "operations": findings.operations,
        "own": findings.own,
        "seed": seed,
        "seconds": round(findings.seconds, 1),
        "differences": len(findings.differences),
        "first": [_shown(difference) for difference in findings.differences[:_SHOWN]],
        "outcomes": dict(sorted(findings.outcomes.items())),
    }


def _shown(difference: Difference) -> dict[str, Any]:
    return {
        "round": difference.round,
        "operation": difference.number,
        "in memory": difference.in_memory,
        "DynamoDB Local": difference.dynamodb_local,
        "shortest": [{request.method: request.params} for request in difference.shortest],
    }


def _as_text(findings: Findings) -> str:
    lines = [f"{outcome:<60} {number:>6}" for outcome, number in sorted(findings.outcomes.items())]
    for difference in findings.differences[:_SHOWN]:
        shown = _shown(difference)
        history = [f"    {_short(json.dumps(request, default=repr))}" for request in shown.pop("shortest")]
        named = [f"{name}: {_short(str(value))}" for name, value in shown.items()]
        lines += ["", *named, "  the shortest history found:", *history]
    lines += ["", f"{findings.operations} operations, {findings.own} of them Turnstile's own, {findings.seconds:.0f} s"]
    return "\n".join([*lines, f"{len(findings.differences)} differences"])


def _short(text: str) -> str:
    """With long rows of one character, which some keys and items are, cut."""
    return re.sub(r"(.)\1{30,}", lambda row: f"{row[1] * 3}...({len(row[0])})", text)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("prove-fakes", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    parser.add_argument("--operations", type=at_least(1), default=50_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, metavar="SEED", help="of the first round (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
