masses = [1.2 3.4 5.6];
total = 0;
for k = 1:4
  total = total + masses(k);
end
printf("%g\n", total);
