"""The middle server of one organisation: its functions, each in its folder."""
