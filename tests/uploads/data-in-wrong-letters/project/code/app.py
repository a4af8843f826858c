print(open("/input/Galaxies.csv").read())
