"""The lab: a small PyPI on loopback, behind an edge that misbehaves on purpose."""
