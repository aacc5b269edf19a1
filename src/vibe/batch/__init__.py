"""Many videos: what is to be done, by whom, where the results go, and what came of it."""
