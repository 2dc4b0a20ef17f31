"""The lab: a small PyPI on loopback, with an edge that misbehaves on purpose."""
