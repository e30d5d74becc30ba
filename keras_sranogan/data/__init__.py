"""Images to learn from and to judge, whose they are, and which are the same."""
