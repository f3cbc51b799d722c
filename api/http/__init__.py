"""The mechanics of HTTP: routes, bodies, headers, problems, pages, callers, rate limits and polling."""
