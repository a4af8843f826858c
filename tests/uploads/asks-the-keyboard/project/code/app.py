epochs = int(input("How many epochs? "))
print(epochs)
