"""The REST contract as an OpenAPI document: `python -m api.contract` writes `docs/openapi.json`.

It is built from the code that the functions run: the routes (`api/http/routes.py`), the request bodies (`api/models/`)
and the table of problems (`api/http/problems.py`). This package adds the rest: response schemas (`answers.py`),
parameters and headers (`parameters.py`), and each route's purpose and refusals (`operations.py`).

No function loads any of it, and no bundle contains it. The tests of the API hold every answer that they get against
the document, and one of them provokes each status, code, header and field that it promises, and compares the parameters
that it names with those that are read. Descriptions are held by nobody but their readers.
"""
