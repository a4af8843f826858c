rows = open("../data/stars.csv").read().split()
print(len(rows))
