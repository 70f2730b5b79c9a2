"""The database: embedded server, roles, hardening, a process's own engine, and tenant sessions."""
