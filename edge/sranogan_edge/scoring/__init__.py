"""The arithmetic of the answer: measurements, densities, score, heat map."""
