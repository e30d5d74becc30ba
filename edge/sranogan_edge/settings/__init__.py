"""What a running service is told."""
