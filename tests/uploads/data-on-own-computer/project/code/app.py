import csv

DATA = r"C:\Users\ana\Documents\galaxies.csv"

with open(DATA, newline="") as file:
    print(sum(1 for row in csv.reader(file)))
