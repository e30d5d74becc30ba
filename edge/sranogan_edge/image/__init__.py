"""Files and objects to frames, and frames to what is judged."""
