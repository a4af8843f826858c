disp("reading");
rates = readtabel("/input/rates.csv");
disp(rates);
