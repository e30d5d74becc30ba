"""DICOM objects: read, and written back."""
