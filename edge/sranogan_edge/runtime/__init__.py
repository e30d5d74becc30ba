"""One small face over what runs the graphs."""
