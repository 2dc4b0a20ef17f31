"""The probe: finds which difference between two requests decides whether the answer is fresh."""
