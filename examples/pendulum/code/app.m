% The swing of a damped pendulum, for three lengths.
lengths = [0.5 1 2];      % m
damping = 0.15;           % 1/s
gravity = 9.81;           % m/s^2
times = linspace(0, 20, 801);

figure('visible', 'off');
hold on;
rows = zeros(numel(lengths), 3);
for k = 1:numel(lengths)
  swing = @(t, s) [s(2); -damping * s(2) - gravity / lengths(k) * sin(s(1))];
  [t, s] = ode45(swing, times, [pi / 3; 0]);
  down = find(s(1:end-1, 1) > 0 & s(2:end, 1) <= 0);
  period = mean(diff(t(down)));
  small = 2 * pi * sqrt(lengths(k) / gravity);
  rows(k, :) = [lengths(k), period, small];
  fprintf('%.1f m: period %.3f s, for small swings %.3f s\n', lengths(k), period, small);
  plot(t, s(:, 1) * 180 / pi, 'displayname', sprintf('%.1f m', lengths(k)));
end
xlabel('time in s');
ylabel('angle in degrees');
legend('show');
saveas(gcf, '/output/pendulum.png');

file = fopen('/output/periods.csv', 'w');
fprintf(file, 'length_m,period_s,small_swing_s\n');
fprintf(file, '%.2f,%.4f,%.4f\n', rows');
fclose(file);
