"""The organisations' people: contacts, the eight roles, and what a personnel change makes to be done."""
