"""Pages that load nothing, and what is shown on them."""
