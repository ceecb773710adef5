"""A real browser for the nodes of runs: Playwright, bridged to trio. The extra `callboard[browser]`."""
