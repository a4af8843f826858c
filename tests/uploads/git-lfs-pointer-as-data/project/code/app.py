import csv

rows = list(csv.DictReader(open("/input/stars.csv")))
print(rows[0]["mass"])
