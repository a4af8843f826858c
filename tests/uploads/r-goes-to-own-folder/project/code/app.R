setwd("D:/thesis")
rates <- read.csv("rates.csv")
