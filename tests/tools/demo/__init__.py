"""`make demo`: a believable day of one event on the local stack, shown live, and proven at the end."""
