"""The mail server as it is really spoken to."""
