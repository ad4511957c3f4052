"""Turns neighbouring inputs and many trials into evidence: does the privacy engine keep its promise."""
