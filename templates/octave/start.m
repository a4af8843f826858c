# A program can be a script, or a function that is called as MATLAB would.
if (! isempty (regexp (fileread ("/code/app.m"), ...
    "^(\\s|[%#][^\\n]*\\n)*function\\s+([^=(\\n]*=\\s*)?app\\s*($|[(;%#\\n])", "once")))
  arguments = argv ();
  app (arguments{:});
else
  source ("/code/app.m");
end
