"""Compares two answers to one request: that of the in-memory DynamoDB, and that of AWS's DynamoDB Local.

Answers are compared as a whole; errors by class, code, status, the item in a failed condition, the reasons of a
cancelled transaction, and the messages of conditions. These differences are legitimate:

- The items of a BatchGetItem are compared without their order, which DynamoDB does not promise
  (API reference, BatchGetItem: "DynamoDB does not return items in any particular order").
- The order of a scan, and of equal sort keys in an index, is DynamoDB Local's own: it is learnt before, and given to
  the in-memory one as its `place`. So pages and cursors are compared exactly.
- A transaction that is impossible with what is stored (adding to a text): AWS cancels it because of ValidationError
  (API reference, TransactionCanceledException); DynamoDB Local sometimes does, sometimes answers ValidationException.
- DynamoDB Local puts a full stop behind the message of some failed conditions.

Not compared, because DynamoDB Local is wrong (`test_dynamodb.py` tests it): two actions of one transaction on one item,
with conditions. DynamoDB Local looks at the conditions first; on AWS "no two actions can target the same item" (API
reference).
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from tests.proofs.fakes.edges import DynamoDbRequest
from workers.aws.items import Item


def outcome(client: Any, request: DynamoDbRequest) -> tuple[Item | Exception, Any]:
    """Send a request, and return the answer or error, and the part of it that is compared."""
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


def same(request: DynamoDbRequest, compared: Item, theirs: Item) -> bool:
    """Return whether DynamoDB Local's answer is the same, except for legitimate differences."""
    return _unordered(compared) == _unordered(_without_full_stops(theirs)) or _impossible(request, compared, theirs)


def _unordered(compared: Item) -> Item:
    """Sort the items of a BatchGetItem."""
    responses = compared.get("Responses", {}).items()
    found = {table: sorted(items, key=_text) for table, items in responses}
    return {**compared, "Responses": found} if found else compared


def _text(item: Item) -> str:
    return json.dumps(item, sort_keys=True, default=repr)


def _without_full_stops(theirs: Item) -> Item:
    """Return DynamoDB Local's answer with messages as on AWS."""
    reasons = [_without_full_stops(reason) for reason in theirs.get("CancellationReasons", [])]
    messages = {name: theirs[name].rstrip(".") for name in ("Message",) if name in theirs}
    return theirs | messages | ({"CancellationReasons": reasons} if reasons else {})


def _impossible(request: DynamoDbRequest, *answers: Item) -> bool:
    """Return whether both refuse a transaction because something in it is impossible."""
    return request.method == "transact_write_items" and all(
        answer.get("Code") == "ValidationException"
        or any(reason["Code"] == "ValidationError" for reason in answer.get("CancellationReasons", []))
        for answer in answers
    )


def word(compared: Item) -> str:
    """Return a word for an answer: `ok`, `cut` (a page that is not the last one), `empty`, or an error's code."""
    if "Code" in compared:
        return str(compared["Code"])
    if "LastEvaluatedKey" in compared:
        return "cut"
    return "empty" if compared.get("Items") == [] else "ok"
