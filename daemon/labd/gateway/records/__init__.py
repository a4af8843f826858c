"""What a transfer did: from the log of its program to the record that the daemon reads."""
