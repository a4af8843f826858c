% Runs the statement, and tells errors as MATLAB does.
warning ("off", "all");
graphics_toolkit ("gnuplot");
try
  evalin ("base", getenv ("STATEMENT"));
catch problem
  words = regexprep (problem.message, "^'(\\w+)' undefined.*$", "Unrecognized function or variable '$1'.");
  fprintf (stderr, "%s\n", words);
  if (! isempty (problem.stack) && problem.stack(1).line > 0)
    fprintf (stderr, "\nError in %s (line %d)\n", problem.stack(1).name, problem.stack(1).line);
  end
  exit (1);
end
