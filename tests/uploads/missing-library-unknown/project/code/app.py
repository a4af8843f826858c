import stellarlib

print(stellarlib)
