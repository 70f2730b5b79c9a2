"""The gateway: the process through which organisations' systems and the national network reach the platform."""
