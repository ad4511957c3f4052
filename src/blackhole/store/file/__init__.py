"""The file itself: opening, damage, checkpoints, copies, the key."""
