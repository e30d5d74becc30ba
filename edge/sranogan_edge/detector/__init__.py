"""From a bundle to a proven detector, and from a frame to its answer."""
