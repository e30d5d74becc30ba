"""Densities, golden cases and signs of normals, by the exported graphs' own output."""
