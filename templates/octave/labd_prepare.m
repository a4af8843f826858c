# What is to be sourced so that /code/app.m runs as in MATLAB; "" where it is a function of its own.
#
# Functions at the end of a script are known from its first line on in MATLAB, and only below them in Octave. They are
# put into files of their own, with as many empty lines above as they have there, so that lines in messages are true.
# Source in Latin-1 or UTF-16, as MATLAB wrote it on Windows, is read as such.
function file = labd_prepare ()
  file = "/code/app.m";
  folder = "/tmp/labd-source";
  bytes = read_bytes (file);
  if (numel (bytes) > 1 && any (bytes(1) == [254 255]) && bytes(1) + bytes(2) == 509)
    wide = {"utf-16be", "utf-16le"}{bytes(1) - 253};
    bytes = unicode2native (native2unicode (uint8 (bytes(3:end)), wide), "utf-8");
    file = write_text (folder, "labd_app", char (bytes));  # Octave would take app for that in /code
  else
    set_encoding ();
  end
  text = char (bytes);
  text(bytes > 127) = " ";  # for Octave's patterns, which take UTF-8 only
  if (! isempty (regexp (text, ...
      "^(\\s|[%#][^\\n]*\\n)*function\\s+([^=(\\n]*=\\s*)?app\\s*($|[(;%#\\n])", "once")))
    file = "";
    return;
  end
  lines = ostrsplit (strrep (text, "\r", ""), "\n");
  starts = find (! cellfun (@isempty, regexp (lines, '^function\>', "once")));
  if (isempty (starts) || all (is_silent (lines(1:starts(1)-1))))
    return;
  end
  stops = [starts(2:end)-1, numel(lines)];
  for k = 1:numel (starts)
    block = lines(starts(k):stops(k));
    last = find (! cellfun (@isempty, regexp (block, '^end(function)?\>', "once")), 1, "last");
    if (! isempty (last) && ! all (is_silent (block(last+1:end))))
      return;  # a script as Octave has it, with functions in its middle
    end
  end
  # Letters as they are: the encoding that is set counts for these files, too.
  lines = ostrsplit (char (bytes(bytes != 13)), "\n");
  for k = 1:numel (starts)
    name = regexp (lines{starts(k)}, '^function\s+(?:[^=(%#]*=\s*)?([A-Za-z]\w*)', "tokens", "once");
    if (! isempty (name))
      block = [lines(starts(k):stops(k)); repmat({"\n"}, 1, stops(k) - starts(k) + 1)];
      write_text (folder, name{1}, [repmat("\n", 1, starts(k) - 1) block{:}]);
    end
  end
  warning ("off", "Octave:shadowed-function", "local");
  addpath (folder);
end

function bytes = read_bytes (file)
  id = fopen (file);
  bytes = fread (id, [1 Inf], "uint8");
  fclose (id);
end

function file = write_text (folder, name, text)
  if (! exist (folder, "dir"))
    mkdir (folder);
  end
  file = [folder "/" name ".m"];
  id = fopen (file, "w");
  fwrite (id, text);
  fclose (id);
end

# Whether nothing is done in these lines.
function silent = is_silent (lines)
  lines = strtrim (lines);
  silent = cellfun (@isempty, lines) | ! cellfun (@isempty, regexp (lines, '^(1\s*;?\s*$|[%#])', "once"));
end

# Latin-1, if that is what all source is that is more than ASCII.
function set_encoding ()
  files = glob ("/code/*.m");
  if (numel (files) > 200)
    return;
  end
  is_latin = false;
  for k = 1:numel (files)
    bytes = read_bytes (files{k});
    if (any (bytes > 127))
      if (is_utf8 (bytes))
        return;
      end
      is_latin = true;
    end
  end
  if (is_latin)
    try
      mfile_encoding ("iso-8859-1");
    catch
      __mfile_encoding__ ("iso-8859-1");
    end
  end
end

function valid = is_utf8 (bytes)
  valid = true;
  try
    regexp (char (bytes), "^", "once");
  catch
    valid = false;
  end
end
