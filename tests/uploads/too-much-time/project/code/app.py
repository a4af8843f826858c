import time

with open("/output/partial.txt", "w") as file:
    file.write("step 1\n")
while True:
    time.sleep(0.1)
