"""What tests stand on that is not a test: labs, servers in boxes, clients, indexes."""
