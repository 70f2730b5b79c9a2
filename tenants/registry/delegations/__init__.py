"""Which affairs an organisation has another one, or its own board of education, do; told by both ends."""
