"""The REST contract as an OpenAPI document: `python -m api.contract` writes `docs/openapi.json`.

It is made from what the functions run on: the routes (`api/routes.py`), the bodies that they read (`api/models/`), the
table of problems (`api/problems.py`). What those cannot say stands here: what comes back (`answers.py`), parameters and
headers (`parameters.py`), and which route does what and may refuse with what (`operations.py`).

No function loads any of it, and no bundle contains it. The tests of the API hold every answer that they get against
the document, and one of them provokes each status, code, header and field that it promises, and compares the parameters
that it names with those that are read. Descriptions are held by nobody but their readers.
"""
