from catalogue import load

print(load("/input/catalogue.json"))
