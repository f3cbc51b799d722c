"""Authentication of callers: the user pool or an existing issuer, and the authorizer."""
