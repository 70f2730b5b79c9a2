"""Peers that speak the real protocols over a socket, for tests, the demo and verification.

They share no code with the product on purpose: a simulator that used the product's codecs would
agree with its mistakes.
"""
