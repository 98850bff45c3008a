"""The built-in recognizers: their files, their cards, and the check of every score and cost that these state."""
