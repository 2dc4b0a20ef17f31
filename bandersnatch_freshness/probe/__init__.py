"""The probe: which difference between two requests decides whether an answer is fresh."""
