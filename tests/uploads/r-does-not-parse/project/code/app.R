masses <- c(1.2, 3.4
print(mean(masses))
