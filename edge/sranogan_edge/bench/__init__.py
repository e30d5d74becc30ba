"""``sranogan-bench``: how fast, and what the time goes to."""
