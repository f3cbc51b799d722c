"""Two answers to one request: the in-memory DynamoDB's, and that of AWS's DynamoDB Local.

What is compared: answers as a whole, errors by class, code, status, the item that a failed condition shows, and the
reasons of a cancelled transaction. Not the sentences of errors, but for those of conditions. What differs by right:

- The items of a BatchGetItem are compared without their order, which DynamoDB does not promise
  (API reference, BatchGetItem: "DynamoDB does not return items in any particular order").
- The order of a scan, and of equal sort keys in an index, is DynamoDB Local's own: it is learnt before, and given to
  the in-memory one as its `place`. So pages and cursors are compared exactly.
- DynamoDB Local gives some numbers back as they came; AWS trims them (developer guide, data types: "Leading and
  trailing zeroes are trimmed").
- A transaction whose request is sound but that what is stored makes impossible (adding to a text): AWS cancels it, with
  ValidationError among the reasons (API reference, TransactionCanceledException); DynamoDB Local now does so, with
  fewer reasons, now answers ValidationException. Both count as the same.
- DynamoDB Local puts a full stop behind the sentence of some failed conditions, and says unasked what it consumed to
  delete nothing.

What is never asked, because DynamoDB Local is known to be wrong, or nobody's business which of the two is right:

- Two actions of one transaction on one item, with conditions. DynamoDB Local looks at the conditions, and does the
  first action, before it refuses the second; on AWS "no two actions can target the same item" (API reference).
- An update that gives an index a key that is no text, or one too long. DynamoDB Local takes it; AWS has reasons for
  both (TransactionCanceledException: "beyond allowed size limits", "to unsupported type").
- A scan or a query that goes on behind a key longer than a key can be. DynamoDB Local takes that for the end.
- A table that does not exist, together with another mistake: which one is named.

`tests/proofs/simulation/dynamodb/test_dynamodb.py` has the first two.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from tests.proofs.fakes.requests import Request
from workers.aws.items import Item


def outcome(client: Any, request: Request) -> tuple[Item | Exception, Any]:
    """What the client does with a request: its answer or error, and what of it is compared."""
    try:
        answer = getattr(client, request.method)(**request.params)
    except ParamValidationError as error:
        return error, {"Code": "ParamValidationError"}
    except NotImplementedError as error:
        return error, {"Code": "NotImplementedError", "Message": str(error)}
    except ClientError as error:
        response: Any = error.response
        compared = {"Code": response["Error"]["Code"], "Class": type(error).__name__}
        compared["Status"] = response["ResponseMetadata"]["HTTPStatusCode"]
        compared |= {name: response[name] for name in ("Item", "CancellationReasons") if name in response}
        if "Condition" in compared["Code"] or "Cancel" in compared["Code"]:
            compared["Message"] = response["Error"]["Message"]
        return error, compared
    compared = {name: value for name, value in answer.items() if name not in {"ResponseMetadata", "ConsumedCapacity"}}
    return answer, compared


def same(request: Request, compared: Item, theirs: Item) -> bool:
    """True if the second answer, DynamoDB Local's, is the first one but for what differs by right."""
    return _unordered(compared) == _unordered(_trimmed(theirs)) or _impossible(request, compared, theirs)


def _unordered(compared: Item) -> Item:
    """The items of a BatchGetItem in an order that they themselves define."""
    responses = compared.get("Responses", {}).items()
    found = {table: sorted(items, key=_text) for table, items in responses}
    return {**compared, "Responses": found} if found else compared


def _text(item: Item) -> str:
    return json.dumps(item, sort_keys=True, default=repr)


def _trimmed(answer: Any) -> Any:
    """What DynamoDB Local answers, with numbers and sentences as AWS has them."""
    match answer:
        case {"N": str(number)} if len(answer) == 1:
            digits = f"{Decimal(number):f}"
            digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
            return {"N": digits.lstrip("+") if Decimal(number) else "0"}
        case dict():
            return {
                name: value.rstrip(".") if name == "Message" and isinstance(value, str) else _trimmed(value)
                for name, value in answer.items()
            }
        case list():
            return [_trimmed(value) for value in answer]
        case _:
            return answer


def _impossible(request: Request, *answers: Item) -> bool:
    """True if both refuse a transaction because something in it cannot be done."""
    return request.method == "transact_write_items" and all(
        answer.get("Code") == "ValidationException"
        or any(reason["Code"] == "ValidationError" for reason in answer.get("CancellationReasons", []))
        for answer in answers
    )


def word(compared: Item) -> str:
    """One word for an answer: `ok`, `cut` (a page that is not the last one), `empty`, or the code of an error."""
    if "Code" in compared:
        return str(compared["Code"])
    if "LastEvaluatedKey" in compared:
        return "cut"
    return "empty" if compared.get("Items") == [] else "ok"
