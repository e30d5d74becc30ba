"""Stage 2: the two-layer CNN."""
