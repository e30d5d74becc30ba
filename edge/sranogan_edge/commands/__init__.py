"""The commands."""

from sranogan_edge.runtime.threads import one_for_numpy

one_for_numpy()  # before any of them imports it
