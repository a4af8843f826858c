library(ggplot3)
