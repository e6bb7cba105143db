"""Pictures drawn for people: contact sheets, plots, maps over photos."""
