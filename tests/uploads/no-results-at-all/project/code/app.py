print("the mean is", (1 + 2 + 3) / 3)
