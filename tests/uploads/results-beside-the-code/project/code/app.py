with open("results.csv", "w") as file:
    file.write("star,mass\nSun,1.0\n")
print("done")
