"""What is promised to people, and how it is kept: terms, budget, noise, ledger; no stage of its own."""
