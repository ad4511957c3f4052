"""The published catalogue: what may be collected, and how it is protected."""
