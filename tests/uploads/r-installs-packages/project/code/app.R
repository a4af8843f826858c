install.packages(c("zoo", "R6"))
library(zoo)
