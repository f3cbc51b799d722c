"""The events resource: create, list, read and change events."""
