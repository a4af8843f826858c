total <- sum(1:3)
print(mean(masses))
