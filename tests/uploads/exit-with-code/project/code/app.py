import sys

print("step 1 of 2")
print("the fit did not converge")
sys.exit(3)
