"""What the commands without a screen print: progress, tables, summaries."""
