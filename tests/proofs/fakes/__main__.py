"""`make prove-fakes`: compare the in-memory DynamoDB with AWS's DynamoDB Local (a sample of it is in `make test`)."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from tests.proofs.fakes.check import ROUND, ComparisonFindings, Difference, compare
from tests.support.command_line import at_least, note, proof_parser, run_proof
from tests.support.dynamodb_local import Unavailable, dynamodb_local

_SHOWN = 5

_DESCRIPTION = f"""\
Send the same operations to the in-memory DynamoDB of the simulation and to AWS's DynamoDB Local, and
compare every answer: first the edges of what DynamoDB takes, which are always the same, then what
Turnstile's handlers ask for during random traffic. Every {ROUND} operations the tables are emptied,
and the next round has the next seed. Progress goes to stderr."""

_EPILOG = f"""\
examples:
  python -m tests.proofs.fakes                                 50,000 operations; five to ten minutes on 2 processors
  python -m tests.proofs.fakes --operations {ROUND} --seed 1017    one round again

exit codes: 0 no difference; 1 differences (the first {_SHOWN} are shown), or DynamoDB Local cannot be used;
            2 wrong usage; 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Compare. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    parser = proof_parser("prove-fakes", _DESCRIPTION, _EPILOG)
    parser.add_argument("--operations", type=at_least(1), default=50_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, metavar="SEED", help="of the first round (default: %(default)s)")
    args = parser.parse_args(argv)

    def prove() -> int:
        with dynamodb_local(thorough=True) as url:
            findings = compare(url, args.operations, args.seed, note)
        print(json.dumps(_as_json(findings, args.seed), default=repr) if args.json else _as_text(findings))
        return 1 if findings.differences else 0

    return run_proof("prove-fakes", prove, Unavailable)


def _as_json(findings: ComparisonFindings, seed: int) -> dict[str, Any]:
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
        "request": {difference.request.method: difference.request.params},
    }


def _as_text(findings: ComparisonFindings) -> str:
    lines = [f"{outcome:<60} {number:>6}" for outcome, number in sorted(findings.outcomes.items())]
    for difference in findings.differences[:_SHOWN]:
        lines += ["", *(f"{name}: {_short(str(value))}" for name, value in _shown(difference).items())]
    lines += ["", f"{findings.operations} operations, {findings.own} of them Turnstile's own, {findings.seconds:.0f} s"]
    return "\n".join([*lines, f"{len(findings.differences)} differences"])


def _short(text: str) -> str:
    """Cut long repetitions of one character."""
    return re.sub(r"(.)\1{30,}", lambda row: f"{row[1] * 3}...({len(row[0])})", text)


if __name__ == "__main__":
    sys.exit(main())
