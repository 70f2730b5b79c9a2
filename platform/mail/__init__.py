"""Outgoing mail: written with the act that owes it, sent afterwards, repeated under one Message-ID."""
