"""Build the Postman collection of the API from its OpenAPI document: each operation once, with its first example.

The format is Postman's Collection 2.1, which Bruno, Insomnia and others import, too.
"""

from __future__ import annotations

import json
import re
from typing import Any

Json = dict[str, Any]
"""A part of the document or of the collection."""

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_NOTES = """

Set the collection's variable `baseUrl` to your API, and `token` to an access token; a stack on your own machine needs \
no token. Optional parameters and headers are switched off."""


def collection(document: Json) -> Json:
    """Return the collection of an OpenAPI document, with a folder for each tag."""
    info = document["info"]
    parameters = document["components"]["parameters"]
    folders: dict[str, Json] = {
        tag["name"]: {"name": tag["name"], "description": tag["description"], "item": []} for tag in document["tags"]
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            asked = [parameters[each["$ref"].rpartition("/")[2]] for each in operation.get("parameters", ())]
            folders[operation["tags"][0]]["item"].append(_item(method.upper(), path, operation, asked))
    return {
        "info": {"name": info["title"], "description": info["description"] + _NOTES, "schema": SCHEMA},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [{"key": "baseUrl", "value": document["servers"][0]["url"]}, {"key": "token", "value": ""}],
        "item": list(folders.values()),
    }


def text(document: Json) -> str:
    """Return the collection as it is committed."""
    return json.dumps(collection(document), indent=2, ensure_ascii=False) + "\n"


def _item(method: str, path: str, operation: Json, parameters: list[Json]) -> Json:
    # A path parameter is `:name` in Postman.
    postman_path = re.sub(r"{(\w+)}", r":\1", path)
    url: Json = {
        "raw": "{{baseUrl}}" + postman_path,
        "host": ["{{baseUrl}}"],
        "path": postman_path.strip("/").split("/"),
        "query": [_off(each) for each in parameters if each["in"] == "query"],
        "variable": [_value(each) for each in parameters if each["in"] == "path"],
    }
    request: Json = {
        "method": method,
        "description": operation["description"],
        "header": [_off(each) for each in parameters if each["in"] == "header"],
        "url": {name: value for name, value in url.items() if value},
    }
    if "security" not in operation:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        [(media, content)] = operation["requestBody"]["content"].items()
        example = next(iter(content["examples"].values()))["value"]
        request["header"].insert(0, {"key": "Content-Type", "value": media})
        request["body"] = {"mode": "raw", "raw": json.dumps(example, indent=2, ensure_ascii=False)}
    return {"name": operation["summary"], "request": request}


def _value(parameter: Json) -> Json:
    examples = [each["value"] for each in parameter.get("examples", {}).values()]
    value = next(iter([*examples, parameter.get("example", parameter["schema"].get("example", ""))]))
    return {"key": parameter["name"], "value": str(value), "description": parameter["description"]}


def _off(parameter: Json) -> Json:
    return _value(parameter) | {"disabled": True}
