disp(magic(4));
