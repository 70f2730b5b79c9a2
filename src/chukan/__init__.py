"""Chukan: the local-government intermediate-server platform.

This package is the composition root. Its areas (``platform``, ``tenants``, ``vpn``, ``monitoring``,
``helpdesk``) and ``config`` are symbolic links to the folders of the same name at the top of the
repository; they have no ``__init__.py`` of their own, because a ``platform/__init__.py`` would shadow
the standard library's ``platform``.
"""
