"""Stage 3: super-resolution."""
