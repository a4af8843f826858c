with open("results/mass.csv", "w") as file:
    file.write("1")
