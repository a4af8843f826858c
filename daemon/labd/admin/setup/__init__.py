"""`labd setup`: installing, upgrading, removing."""
