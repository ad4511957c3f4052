"""The governor: what the process uses, held against its limits, into how fast senders may be."""
