"""The REST contract as an OpenAPI document: `python -m api.contract` writes `docs/openapi.json`.

It is made from what the functions run on: the routes (`api/routes.py`), the bodies that they read (`api/models/`), the
table of problems (`api/problems.py`). What those cannot say stands here: what comes back (`answers.py`), parameters and
headers (`parameters.py`), and which route does what and may refuse with what (`operations.py`).

No function loads any of it, and no bundle contains it. The tests of the API hold every answer that they get against
the document, so it cannot promise what is not so, nor keep quiet about what is.
"""
