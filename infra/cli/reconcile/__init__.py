"""Ledgers held against their registrations: counted again, judged, mended; and who was forgotten."""
