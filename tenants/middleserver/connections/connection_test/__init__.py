"""``chukan connection-test``: what an organisation's vendor runs from its own machine against the gateway."""
