"""AWS's published median latencies (p50), in milliseconds, each with its source.

They include the round trip from a client inside AWS. Where no median is published, the number is to the disadvantage of
Turnstile, and its docstring says so.

DeBrie: "DynamoDB Transactions Performance Testing", 2020, calls from a Lambda function in the same region, at least
400 of each kind: https://www.alexdebrie.com/posts/dynamodb-transactions-performance/ (the table is in the README of
`put-batch-transaction-performance` in https://github.com/alexdebrie/dynamodb-performance-testing). Its p50: PutItem
7.55, BatchWriteItem of 5 items 8.14 and of 25 items 10.2, TransactWriteItems of 5 items 25.3 and of 25 items 32.1, one
of 5 items that fails 25.3.

Bite-Sized Serverless: "Serverless Messaging: Latency Compared", measured in September 2022 in eu-west-1:
https://bitesizedserverless.com/bite/serverless-messaging-latency-compared/.
"""

from __future__ import annotations

PUT_MS = 7.55
"""One write that is no transaction. DeBrie: PutItem."""

TRANSACTION_ITEM_MS = (32.1 - 25.3) / 20
"""The time that each item adds to a transaction. DeBrie: between TransactWriteItems of 5 and of 25 items."""

TRANSACTION_MS = 25.3 - 5 * TRANSACTION_ITEM_MS
"""A transaction without its items: the line through DeBrie's two points, at no items."""

BATCH_GET_ITEM_MS = (10.2 - 8.14) / 20
"""The time that each item adds to a batch read. No median is published for BatchGetItem; see `BATCH_GET_MS`."""

BATCH_GET_MS = 8.14 - 5 * BATCH_GET_ITEM_MS
"""A batch read without its items. No median is published; AWS says "single-digit milliseconds". Here it takes as long
as DeBrie's BatchWriteItem, which, unlike a read, is replicated before it responds. Too long is to the disadvantage of
Turnstile: its read is between two commits of an event, those of 32 synchronous clients overlap."""

QUERY_MS = BATCH_GET_MS
"""A query of one page. No median is published; as a batch read."""

SQS_SEND_MS = 20.0
"""SendMessage to a FIFO queue. No median is published; this is taken as the larger part of `QUEUE_TO_HANDLER_MS`."""

QUEUE_TO_HANDLER_MS = 28.1
"""From before the SendMessage to a FIFO queue to the first line of the Lambda function that its event source mapping
invokes. Bite-Sized Serverless: "SQS FIFO", P50."""


def batch_get_ms(items: int) -> float:
    """Return the time of a BatchGetItem of this many keys."""
    return BATCH_GET_MS + BATCH_GET_ITEM_MS * items


def transaction_ms(items: int) -> float:
    """Return the time of a TransactWriteItems, the same if it is cancelled (DeBrie: 5 items with a failure)."""
    return TRANSACTION_MS + TRANSACTION_ITEM_MS * items
