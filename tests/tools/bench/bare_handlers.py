"""The two functions of the bare pipeline: enqueue, put, poll every 10 ms, with boto3 and nothing else.

This file alone is what they are deployed as (`bare`).
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import boto3

sqs = boto3.client("sqs")
dynamodb = boto3.client("dynamodb")


def enqueue(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Puts a registration into the event's group, and waits until it is in the table."""
    event_id, user_id = event["pathParameters"]["eventId"], json.loads(event["body"])["userId"]
    key = f"{event_id} {user_id}"
    queue_url, table = os.environ["QUEUE_URL"], os.environ["TABLE"]
    sqs.send_message(QueueUrl=queue_url, MessageBody=key, MessageGroupId=event_id, MessageDeduplicationId=user_id)
    found: Any = {}
    while "Item" not in found:
        time.sleep(0.01)
        found = dynamodb.get_item(TableName=table, Key={"id": {"S": key}}, ConsistentRead=True)
    return {"statusCode": 201, "body": json.dumps({"eventId": event_id, "userId": user_id, "status": "confirmed"})}


def put(event: dict[str, Any], context: object) -> None:
    """Puts each registration of a batch into the table."""
    for record in event["Records"]:
        dynamodb.put_item(TableName=os.environ["TABLE"], Item={"id": {"S": record["body"]}, "status": {"S": "ok"}})
