with open("/output/plots/mass.csv", "w") as file:
    file.write("star,mass\n")
