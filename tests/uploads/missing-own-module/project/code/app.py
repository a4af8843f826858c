from helpers import clean

print(clean([1, 2, 3]))
