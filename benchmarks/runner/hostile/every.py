"""Imports each module of kinds, so that all are registered; another module is another name here."""

from benchmarks.runner.hostile import archives, codecs, films, graphs, pdus, requests

__all__ = ["archives", "codecs", "films", "graphs", "pdus", "requests"]
