"""The contract between export and device: one file, verified."""
