"""`labd doctor`: what is wrong with this machine, one module for a subject. It changes nothing."""
