"""What foundation and platforms share of Django: write gate, paging of querysets, problem rendering, route rules."""
