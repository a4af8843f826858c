# Runs /code/app.m, and says at which of its lines it stopped: the program can clear all that is defined here but files.
# Figures are drawn for files: a window would need a screen.
warning ("off", "Octave:gnuplot-graphics");
graphics_toolkit ("gnuplot");
set (0, "defaultfigurevisible", "off");
warning ("off", "Octave:shadowed-function");
addpath ("/opt/env/functions");
warning ("on", "Octave:shadowed-function");
try
  # A program can be a script, or a function that is called as MATLAB would.
  if (isempty (labd_prepare ()))
    arguments = argv ();
    app (arguments{:});
  else
    source (labd_prepare ());
  end
catch labd_error
  warning ("off", "Octave:shadowed-function");
  addpath ("/opt/env/functions");
  labd_stopped (labd_error);
end
# Both again: programs also change what is looked up where.
warning ("off", "Octave:shadowed-function");
addpath ("/opt/env/functions");
labd_figures ();
