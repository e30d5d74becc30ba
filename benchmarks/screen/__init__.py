"""Screening of designs on a GPU: many designs, all sets, three seeds, in minutes; JAX and optax."""
