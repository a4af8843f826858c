# How long to wait for Old Faithful: eruptions and pauses, in R's own data set `faithful`.
model <- lm(waiting ~ eruptions, data = faithful)
cat(sprintf("%d eruptions, R squared %.3f\n", nrow(faithful), summary(model)$r.squared))
cat(sprintf("one more minute of eruption: %.1f more minutes to wait\n", coef(model)[["eruptions"]]))

write.csv(as.data.frame(summary(model)$coefficients), "/output/model.csv")

png("/output/geyser.png", width = 800, height = 600, type = "cairo")
plot(faithful, pch = 19, col = "steelblue", xlab = "eruption in minutes", ylab = "wait for the next in minutes")
abline(model, lwd = 2)
invisible(dev.off())
