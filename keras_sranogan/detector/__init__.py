"""Stage 4: all stages together, densities of normals, calibration."""
