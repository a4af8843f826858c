"""What sshd starts for a researcher (standard library only): transfers, questions, refusals. It has no shell."""
