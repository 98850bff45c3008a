"""The built-in recognizers: their files, their cards, and the check of every figure that they state."""
