pkg load statistics
x = normrnd(0, 1, 10, 1);
csvwrite("/output/x.csv", x);
