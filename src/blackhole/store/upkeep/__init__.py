"""What is done to the file in the background or at once by its owner."""
