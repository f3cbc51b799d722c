"""Models of the request bodies, one module per resource: a function loads only those that it reads."""
