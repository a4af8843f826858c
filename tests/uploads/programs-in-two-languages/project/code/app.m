disp("octave");
