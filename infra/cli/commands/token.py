"""`turnstile token`: an access token for the API of the local stack."""

from __future__ import annotations

import argparse
import json
import re

from botocore.exceptions import BotoCoreError, ClientError

from api.http.caller import OPERATORS, ORGANIZERS
from infra.cli.deployment import Deployment
from infra.cli.errors import CliError
from infra.cli.user_pool import UserPoolClient

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")

HELP = "sign a user in to the local stack and print an access token"
DESCRIPTION = """\
Sign NAME in to the user pool of the local stack, which must run with `turnstile up --auth jwt`, and
print an access token on a line of its own. NAME is created if missing, and becomes a member of exactly
the requested groups. The token names them; earlier tokens keep theirs.

Users act only for themselves: the first `POST /users` with a token binds the userId to its owner.
Organizers create events, and see and change their own; operators see everything.
A token is valid for an hour.

examples:
  turnstile token ada
  turnstile token grace --organizer
  turnstile token root --operator --json
  curl -H "authorization: Bearer $(turnstile token ada)" $API/users/ada

--json prints one object: name, subject (the token's `sub`, by which the API identifies the user), groups,
accessToken, expiresIn (seconds), and the two other tokens of a sign-in, idToken and refreshToken, which
the API refuses.

On AWS, tokens come from the stage's user pool or issuer, through the app that signs people in.

Exit code 3 when there is no stack."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME", type=_name, help="the user's name: letters, digits, '.', '_' and '-'")
    parser.add_argument(
        "--organizer",
        action="append_const",
        const=ORGANIZERS,
        dest="groups",
        default=[],
        help="add to the group organizers",
    )
    parser.add_argument(
        "--operator",
        action="append_const",
        const=OPERATORS,
        dest="groups",
        default=[],
        help="add to the group operators",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with all tokens")


def _name(text: str) -> str:
    if _NAME.fullmatch(text):
        return text
    rule = "use up to 50 letters, digits, '.', '_' and '-', and begin with a letter or a digit"
    raise argparse.ArgumentTypeError(f"{text!r} is not a valid name: {rule}")


def run(args: argparse.Namespace) -> int:
    """Sign the user in and print the token."""
    deployment = Deployment.resolve()
    try:
        tokens = UserPoolClient(deployment.clients, deployment.outputs).sign_in(args.name, args.groups)
    except (BotoCoreError, ClientError) as error:
        raise CliError(f"cannot sign {args.name} in: {error}") from error
    if args.json:
        said = {"name": args.name, "subject": tokens.subject, "groups": tokens.groups, "accessToken": tokens.access}
        said |= {"expiresIn": tokens.expires_in, "idToken": tokens.identity, "refreshToken": tokens.refresh}
        print(json.dumps(said))
    else:
        print(tokens.access)
    return 0
