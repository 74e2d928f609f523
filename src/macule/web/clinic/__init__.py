"""The clinic's pages and its API: accounts, capture, worklist, cases, dashboard, administration."""
