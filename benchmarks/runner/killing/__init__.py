"""The kill proof: a runner with a stand-in for the networks, killed again and again while objects come in."""
