"""A motion while it is corrected on its page: solved again, written and shown with every edit."""
