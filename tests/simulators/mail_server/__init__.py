"""A mail server that really speaks SMTP, keeps what it took, and fails on demand.

Start it with ``python -m chukan_simulators.mail_server``; it prints one JSON line with its ports. What it took,
and the menu of faults, are reached over HTTP on its control port; ``client`` knows how.
"""
