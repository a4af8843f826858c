clear all; close all; clc
rates = csvread("rates.csv", 1, 0);
disp(mean(rates));
