"""Who runs when, and with how much of the machine. It never starts anything."""
