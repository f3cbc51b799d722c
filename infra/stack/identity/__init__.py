"""Who callers are: the user pool or an existing issuer, and the mail that the pool sends."""
