"""One site's normals: calibration, drift, out of domain."""
