"""Hostile inputs, made here and fed to the real runner: ``make hostile``."""
