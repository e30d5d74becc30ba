"""A bundle on a real GPU: every graph, the golden cases, and the speed; on a machine without TensorFlow."""
