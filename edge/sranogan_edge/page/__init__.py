"""The live page and the metrics."""
