"""Objects and results on disk until they are done with."""
