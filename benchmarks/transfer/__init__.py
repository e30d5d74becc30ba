"""Designs of the detector, trained and judged on every set: what is good on one is often not on the next."""
