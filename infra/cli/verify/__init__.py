"""Whether a deployment works: the checks of its parts, and one registration from end to end."""
