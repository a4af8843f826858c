library(ggplot2)
d <- data.frame(x = 1:3, y = c(2, 4, 6))
ggsave("/output/plot.png", ggplot(d, aes(x, y)) + geom_point())
