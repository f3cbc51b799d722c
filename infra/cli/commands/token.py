"""`turnstile token`: a token to call the local stack's API with."""

from __future__ import annotations

import argparse
import json
import re

from botocore.exceptions import BotoCoreError, ClientError

from api.http.caller import OPERATORS, ORGANIZERS
from infra.cli.deployment import Deployment
from infra.cli.errors import CliError
from infra.cli.user_pool import UserPool

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")

HELP = "sign somebody in to the local stack, and print her access token"
DESCRIPTION = """\
Sign NAME in to the user pool of the local stack, which must run with `turnstile up --auth jwt`, and
print an access token, alone on a line. NAME is made if she is not there. She is in the groups that
are asked for and in no others: the token names them, and a token that she has already keeps its own.

A person acts for herself only: the first `POST /users` with her token makes the userId hers.
organizers create events, and see and change their own; operators see everything.
A token is good for an hour; ask for another one then.

examples:
  turnstile token ada
  turnstile token grace --organizer
  turnstile token root --operator --json
  curl -H "authorization: Bearer $(turnstile token ada)" $API/users/ada

--json prints one object: name, subject (the token's `sub`: who she is to the API), groups, accessToken,
expiresIn (seconds), and the two other tokens of a sign-in, idToken and refreshToken, which the API
refuses.
Tokens of a stage on AWS come from its user pool or issuer, through the app that signs people in.
Exit code 3 when there is no stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME", type=_name, help="who: letters, digits, '.', '_' and '-'")
    parser.add_argument(
        "--organizer",
        action="append_const",
        const=ORGANIZERS,
        dest="groups",
        default=[],
        help="in the group organizers",
    )
    parser.add_argument(
        "--operator", action="append_const", const=OPERATORS, dest="groups", default=[], help="in the group operators"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with all that signing in gave")


def _name(text: str) -> str:
    if _NAME.fullmatch(text):
        return text
    rule = "up to 50 letters, digits, '.', '_' and '-', of which the first is a letter or a digit"
    raise argparse.ArgumentTypeError(f"{text!r} is no name: {rule}")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    deployment = Deployment.resolve()
    try:
        tokens = UserPool(deployment.clients, deployment.outputs).sign_in(args.name, args.groups)
    except (BotoCoreError, ClientError) as error:
        raise CliError(f"{args.name} cannot be signed in: {error}") from error
    if args.json:
        said = {"name": args.name, "subject": tokens.subject, "groups": tokens.groups, "accessToken": tokens.access}
        said |= {"expiresIn": tokens.expires_in, "idToken": tokens.identity, "refreshToken": tokens.refresh}
        print(json.dumps(said))
    else:
        print(tokens.access)
    return 0
