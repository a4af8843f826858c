rates = readmatrix('/input/rates.csv');
disp(mean(rates));
