"""The runner: feeds to spool to detector to sinks."""
