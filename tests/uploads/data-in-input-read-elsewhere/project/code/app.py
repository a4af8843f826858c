rows = open("stars.csv").read().split()
print(len(rows))
