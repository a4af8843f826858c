x <- 1
rates <- read.csv("Rates.csv")
