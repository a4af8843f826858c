rates <- read.csv("C:/Users/ana/Desktop/rates.csv")
print(summary(rates))
