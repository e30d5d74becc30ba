"""All stages in order, and the loop that each of them is trained by."""
