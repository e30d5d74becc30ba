"""How good a model is, in figures, pictures and a page."""
