pkg load statistics
disp(normcdf(0));
