"""The checks of `turnstile verify`: the parts of a deployment, and one registration from end to end."""
