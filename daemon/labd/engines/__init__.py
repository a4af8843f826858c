"""What runs programs and holds images; one package for each engine."""
