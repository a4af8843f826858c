"""What stands in for MATLAB and its licence server where there is neither."""
