"""The REST contract as an OpenAPI document: `python -m api.contract` writes `docs/openapi.json`.

It is built from the code that the functions run: the routes (`api/http/routes.py`), the request bodies (`api/models/`)
and the table of problems (`api/http/problems.py`). This package adds the rest: response schemas (`schemas.py`),
parameters and headers (`parameters.py`), and each route's purpose and errors (`operations.py`).

No function loads any of it. The tests of the API check every answer that they get against the document. One of them
provokes each status, code, header and field that it promises, and compares its parameters with those that are read.
Only readers check the descriptions.
"""
