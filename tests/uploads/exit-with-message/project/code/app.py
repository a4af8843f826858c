import sys

print("reading /input")
sys.exit("no galaxies found in /input")
