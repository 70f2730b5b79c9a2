"""Asking other organisations for information about persons, through the national network."""
