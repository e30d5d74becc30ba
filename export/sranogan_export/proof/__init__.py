"""Proof that the exported graphs compute what Keras does."""
