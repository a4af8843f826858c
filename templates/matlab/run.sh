# Runs app.m. With arguments in job.toml it is a function, and gets them as text. MATLAB would take as many threads as
# the whole machine has processors. -batch ends with exit code 1 after an error, and with n after exit(n).
call=app separator="(" end=
for argument do
    quoted=$(printf "%s." "$argument" | sed "s/'/''/g")
    call="$call$separator'${quoted%.}'" separator=", " end=")"
done
start="try, maxNumCompThreads(${OMP_NUM_THREADS:-1}); catch, end; set(groot, 'DefaultFigureVisible', 'off');"
exec matlab -sd /code -batch "$start $call$end"
