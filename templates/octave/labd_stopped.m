# Ends a program that an error stopped: its message, the calls that led there, and the innermost line of its own.
# labd reads what is printed last (diagnosis/octave.py).
function labd_stopped (problem)
  fflush (stdout);
  unread = regexp (problem.message, "^source: error sourcing file '(.*)'$", "tokens", "once");
  if (! isempty (unread) && exist (unread{1}, "file"))
    try  # once more: nothing of a file runs that cannot be read, and now Octave may say why
      source (unread{1});
    catch again
      problem = again;
    end
  end
  printed = sprintf ("error: %s\n", problem.message);
  calls = place = "";
  line = 0;
  for frame = problem.stack'
    if (strncmp (frame.file, "/opt/env/", 9))
      continue;
    end
    name = regexprep (frame.name, '\.m$', "");
    calls = [calls sprintf("    %s at line %d column %d\n", name, frame.line, frame.column)];
    if (isempty (place) && ! isempty (own_file (frame.file)))
      place = own_file (frame.file);
      line = frame.line;
    end
  end
  unread = regexp (problem.message, 'parse error near line (\d+) of file (\S+)', "tokens", "once");
  if (! isempty (unread) && ! isempty (own_file (unread{2})))
    place = own_file (unread{2});
    line = str2double (unread{1});
  end
  if (! isempty (calls))
    printed = [printed "error: called from\n" calls];
  end
  if (! isempty (regexp (problem.message, "file|directory|stream|open|exist|find|read", "once")))
    for file = elsewhere (problem.message)
      printed = [printed "In the upload: " file{1} "\n"];
    end
  end
  if (! isempty (place))
    printed = [printed sprintf("Stopped at %s, line %d: %s\n", place, line, source_line (place, line))];
  end
  fputs (stderr, printed);
  fflush (stderr);
  exit (1);
end

# "code/app.m" of a file of the program's own, "" of others.
function name = own_file (file)
  name = "";
  if (strncmp (file, "/code/", 6))
    name = file(2:end);
  elseif (strncmp (file, "/tmp/labd-source/", 17))
    name = "code/app.m";
  end
end

function text = source_line (place, line)
  text = "";
  try
    lines = ostrsplit (fileread (["/" place]), "\n");
    text = strtrim (lines{line});
    text = text(1:min (end, 200));
    text(text < 32 | text > 126) = "?";
  end
end

# Files of the job that have the name of one in the message or in app.m, in whatever letters, and that is not there.
function found = elsewhere (message)
  found = {};
  try
    text = fileread ("/code/app.m");
    text(text > 126) = "?";
    wanted = regexp ([message "\n" text], '[''"]([^''"\n]+\.\w+)[''"]', "tokens");
    bare = regexp (message, '(\S+\.\w+)\s*$', "tokens");
    wanted = unique (cellfun (@(one) one{1}, [wanted bare], "UniformOutput", false));
    wanted = wanted(cellfun (@(one) ! exist (one, "file"), wanted));
    names = cellfun (@(one) lower (regexprep (one, '^.*[\\/]', "")), wanted, "UniformOutput", false);
    folders = {"/input", "/code"};
    seen = 0;
    while (! isempty (folders) && seen < 2000 && numel (found) < 5)  # large inputs are not searched as a whole
      entries = dir (folders{1});
      entries = entries(1:min (end, 2000));
      for k = 1:numel (entries)
        entry = entries(k);
        path = [folders{1} "/" entry.name];
        if (entry.isdir && entry.name(1) != ".")
          folders{end+1} = path;
        elseif (any (strcmp (lower (entry.name), names)))
          found{end+1} = path;
        end
      end
      seen += numel (entries) + 1;
      folders(1) = [];
    end
    found = found(1:min (end, 5));
  end
end
