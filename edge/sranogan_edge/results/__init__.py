"""What a scored image leaves behind."""
