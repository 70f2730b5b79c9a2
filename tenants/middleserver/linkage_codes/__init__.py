"""Linkage codes: under which code the national network knows a person of an organisation, and how it became known."""
