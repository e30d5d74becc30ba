"""Stage 4's network, and the anomalies that it learns to find."""
