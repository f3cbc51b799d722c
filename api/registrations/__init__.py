"""The registrations resource: register, read, cancel, list and export."""
