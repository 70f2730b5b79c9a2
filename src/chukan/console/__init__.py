"""The operators' console: the pages of every area under one menu, and the process that serves them."""
