addpath('tools');
cd('D:\thesis');
disp(1);
