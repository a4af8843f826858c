with open("/input/observers.csv", encoding="utf-8") as file:
    print(file.read())
