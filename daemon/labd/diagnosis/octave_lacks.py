"""What MATLAB has and GNU Octave 7 to 9 have not, and what to use instead.

This module owns two tables of names, and nothing else. Sources: the list of missing functions in Octave's own
`__unimplemented__.m`, and the indexes of Octave's packages, as Debian has them.
"""

from __future__ import annotations

_CSV = "Write `csvread(FILE)` for numbers with commas between them; below a line of names `csvread(FILE, 1, 0)`."
INSTEAD = {
    "readmatrix": _CSV,
    "readtable": f"{_CSV} `textscan` reads words, too.",
    "writematrix": "Write `csvwrite('/output/results.csv', x)`.",
    "writetable": "Write numbers with `csvwrite('/output/results.csv', x)`, and words with `fprintf`.",
    "writecell": "Write numbers with `csvwrite('/output/results.csv', x)`, and words with `fprintf`.",
    "readlines": 'Write `strsplit(fileread(FILE), "\\n")`.',
    "readvars": _CSV,
    "table": "Use a struct of columns, such as `T.mass = mass`.",
    "array2table": "Use a matrix, or a struct of columns, such as `T.mass = mass`.",
    "table2array": "Use a matrix, or a struct of columns, such as `T.mass = mass`.",
    "timetable": "Use a struct of columns, such as `T.time = time`.",
    "height": "Write `rows(x)`.",
    "width": "Write `columns(x)`.",
    "contains": "Write `! isempty(strfind(text, part))`.",
    "string": "Write `num2str(x)` for a number; text in quotes is what Octave has for strings.",
    "strings": "Write `cell(n, m)`.",
    "strlength": "Write `numel(text)`.",
    "split": "Write `strsplit(text, ' ')`.",
    "join": "Write `strjoin(texts, ' ')`.",
    "replace": "Write `strrep(text, old, new)`.",
    "strip": "Write `strtrim(text)`.",
    "extractBetween": "Write `regexp(text, 'a(.*?)b', 'tokens')`.",
    "extractAfter": "Write `regexp(text, 'a(.*)', 'tokens')`.",
    "extractBefore": "Write `regexp(text, '(.*?)a', 'tokens')`.",
    "convertStringsToChars": "Remove it: text in quotes is what Octave has for strings.",
    "convertCharsToStrings": "Remove it: text in quotes is what Octave has for strings.",
    "datetime": "Write `now`, or `datenum(2026, 1, 31)`; `datestr(x)` shows it.",
    "duration": "Count in seconds or days, as numbers.",
    "categorical": "Write `[names, ~, number] = unique(x)`.",
    "exportgraphics": "Write `print('/output/plot.png', '-dpng')`.",
    "copygraphics": "Write `print('/output/plot.png', '-dpng')`.",
    "tiledlayout": "Write `subplot(rows, columns, number)` for each plot.",
    "nexttile": "Write `subplot(rows, columns, number)` for each plot.",
    "sgtitle": "Write `title` for each plot.",
    "histogram": "Write `hist(x)`.",
    "heatmap": "Write `imagesc(x); colorbar`.",
    "xline": "Write `line([x x], ylim)`.",
    "yline": "Write `line(xlim, [y y])`.",
    "swarmchart": "Write `scatter(x, y)`.",
    "boxchart": "Write `boxplot(x)`, of the package statistics: code/packages.txt needs the line `statistics`.",
    "rmmissing": "Write `x(! isnan(x))`.",
    "fit": "Write `polyfit(x, y, degree)` for polynomials; for others `leasqr` of the package `optim`.",
    "fmincon": "Write `sqp(start, function)`.",
    "gpuArray": "Remove it: this Octave calculates on the CPU.",
    "gather": "Remove it: this Octave calculates on the CPU.",
    "parpool": "Remove it: `parfor` runs without it.",
}
"""Function → what to do; FILE stands for the file that it is given."""

_FUNCTIONS = {
    "control": "bode dlqr feedback lqr nyquist rlocus step tf",
    "image": "bwlabel edge fspecial graythresh im2bw imadjust imerode imfilter imresize imrotate medfilt2 regionprops",
    "io": "csv2cell readcell xlsread xlswrite xlsopen",
    "optim": "leasqr lsqcurvefit lsqnonlin nonlin_curvefit",
    "signal": "butter cheby1 findpeaks fir1 hann pwelch resample spectrogram xcorr",
    "statistics": "anova1 boxplot fitlm kmeans ksdensity normcdf normpdf normrnd pca pdist regress tcdf ttest ttest2",
    "symbolic": "sym syms vpa",
}
PACKAGES = {name: package for package, names in _FUNCTIONS.items() for name in names.split()}
"""Function → the Octave package that has it."""
