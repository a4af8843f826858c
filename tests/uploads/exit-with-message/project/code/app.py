import sys
import time

print("reading /input")
time.sleep(0.2)
sys.exit("no galaxies found in /input")
