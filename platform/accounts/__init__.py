"""Accounts: who may work here, how they prove it, what they may do, and what needs a second person."""
