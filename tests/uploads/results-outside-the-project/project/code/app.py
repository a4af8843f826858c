with open("/results.csv", "w") as file:
    file.write("star,mass\n")
