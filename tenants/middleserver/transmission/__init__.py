"""Transmission: messages to and from the national network, each with its effect once and in order."""
