data = open("C:\Users\ana\Documents\stars.csv").read()
print(len(data))
